package round

import (
	"testing"
	"time"

	"github.com/weft-mesh/weft/ledger"
)

// grown returns a mesh that has done some rounds.
func grown(t *testing.T, rounds uint64) *env {
	t.Helper()
	e, r := openedEnv(t, rounds)
	e.pass(time.Hour, func() bool {
		for _, s := range e.sites {
			e.trained(s)
		}
		return !r.Active()
	})
	if r.Active() {
		t.Fatalf("round %d of %d", r.Round, rounds)
	}
	return e
}

// TestHeadsAreNotAnsweredWithoutEnd: whoever shows false heads gets the ledger once, and then no more than twice what it sends and
// a megabyte a second; connecting anew begins nothing anew. Whoever really catches up is not held up.
func TestHeadsAreNotAnsweredWithoutEnd(t *testing.T) {
	e := grown(t, 10)
	one, liar := e.sites[0], e.sites[3]
	one.Ready()
	size := func(w Work) (bytes int) {
		for _, s := range w.Send {
			if s.To == liar.self && s.Message.Head == nil {
				bytes += len(s.Message.Encode())
			}
		}
		return bytes
	}
	ledgerBytes := 0
	for h := uint64(1); h <= one.Ledger().Height(); h++ {
		ledgerBytes += len((&Message{Certified: []ledger.Certified{one.Ledger().At(h).Certified()}}).Encode())
	}
	const heads, bytes = 20000, 200
	answered := 0
	for k := range heads {
		if k%100 == 0 {
			one.Step(e.now, Disconnected{liar.self})
			one.Step(e.now, Connected{liar.self})
		}
		e.now += time.Millisecond
		one.Step(e.now, Received{liar.self, &Message{Head: &Head{Height: uint64(k % 7)}}, bytes})
		answered += size(one.Ready())
	}
	seconds := int(heads * time.Millisecond / time.Second)
	if most := ledgerBytes + 2*heads*bytes + (seconds+1)<<20; answered > most {
		t.Errorf("heads of %d bytes were answered with %d, want at most %d", heads*bytes, answered, most)
	}
	if heads*ledgerBytes < 4*answered {
		t.Errorf("the heads asked for %d bytes, which is not much more than the %d that are answered: the test shows nothing", heads*ledgerBytes, answered)
	}
	e.now += time.Minute
	behind := e.sites[2]
	one.Step(e.now, Connected{behind.self})
	one.Ready()
	one.Step(e.now, Received{behind.self, &Message{Head: &Head{Height: 1, Entry: one.Ledger().At(1).Entry.CID()}}, bytes})
	var got uint64
	for _, s := range one.Ready().Send {
		if s.To == behind.self && len(s.Message.Certified) > 0 {
			got += uint64(len(s.Message.Certified))
		}
	}
	if got != one.Ledger().Height()-1 {
		t.Errorf("a site that lacks %d entries is sent %d", one.Ledger().Height()-1, got)
	}
}

// TestForgedCertificatesAreBlamed: nobody passes certificates on unseen, so who sends a bad one is to blame; and who sends what a
// quorum has signed is not.
func TestForgedCertificatesAreBlamed(t *testing.T) {
	e := grown(t, 3)
	one, liar := e.sites[0], e.sites[3]
	two, err := New(e.sites[1].cfg)
	if err != nil {
		t.Fatal(err)
	}
	blamed := func(c ledger.Certified) bool {
		two.Ready()
		two.Step(e.now, Received{liar.self, &Message{Certified: []ledger.Certified{c}}, 0})
		b := two.Ready().Blame
		return len(b) == 1 && b[0].Peer == liar.self
	}
	const next = 1
	good := one.Ledger().At(next).Certified()
	if !blamed(ledger.Certified{Entry: good.Entry}) {
		t.Error("no certificate: nobody is blamed")
	}
	short := good
	short.Certificate.Votes = short.Certificate.Votes[:1]
	if !blamed(short) {
		t.Error("a certificate of one site: nobody is blamed")
	}
	if blamed(good) || two.Ledger().Height() != next {
		t.Errorf("the entry that follows: height %d, want %d, and no blame", two.Ledger().Height(), next)
	}
	other := ledger.Entry{Mesh: two.Ledger().Mesh(), Height: 1, Parent: two.Ledger().Mesh(), Body: &ledger.Close{}}
	if !blamed(ledger.Certified{Entry: other.Data(), Certificate: ledger.Certificate{Mesh: other.Mesh, Height: 1, Entry: other.CID()}}) {
		t.Error("a certificate of nobody for a height that is decided: nobody is blamed")
	}
}
