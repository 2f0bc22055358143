package intake_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/intake"
	"github.com/weft-mesh/weft/round/peerlog"
)

// standing is that of a site of a mesh of four whose ledger has ten entries, and one run in round 20.
type standing struct {
	roster *ledger.Roster
	knows  uint64
}

func (s *standing) Height() uint64                    { return 10 }
func (s *standing) Roster() *ledger.Roster            { return s.roster }
func (s *standing) Member(id peer.ID) bool            { return s.roster.Has(id) }
func (s *standing) Knows(peer.ID) uint64              { return s.knows }
func (s *standing) Over(run block.CID, r uint64) bool { return run == theRun && r > 0 && r+8 < 20 }

var (
	mesh   = block.Sum(block.DagCBOR, []byte("mesh"))
	theRun = block.Sum(block.DagCBOR, []byte("run"))
	sites  = []peer.ID{"site 1", "site 2", "site 3", "site 4"}
	now    = time.Unix(1e9, 0)
)

func newStanding(t *testing.T) *standing {
	t.Helper()
	var list []ledger.Site
	for i, id := range sites {
		list = append(list, ledger.Site{ID: id, Name: fmt.Sprint("s", i)})
	}
	g, err := ledger.NewGenesis("test", ledger.Byzantine, list, bytes.Repeat([]byte{1}, 16))
	if err != nil {
		t.Fatal(err)
	}
	return &standing{roster: g.Roster(), knows: intake.Looks}
}

func sign(id peer.ID, data []byte) []byte {
	sum := block.Sum(block.Raw, append([]byte(id), data...)).Digest()
	return append(sum[:], sum[:]...)
}

func verify(id peer.ID, data, sig []byte) bool { return bytes.Equal(sign(id, data), sig) }

func signed(id peer.ID, kind ledger.Kind, body ledger.Body) *ledger.Signed {
	return ledger.Sign(mesh, id, kind, body, func(data []byte) []byte { return sign(id, data) })
}

func said(id peer.ID, kind ledger.Kind, body ledger.Body) *round.Message {
	return &round.Message{Attempt: 1, Statement: signed(id, kind, body)}
}

func entry(height uint64) *ledger.Entry {
	return &ledger.Entry{Mesh: mesh, Height: height, Parent: mesh, Body: &ledger.Close{Run: theRun}}
}

// certified returns an entry with the precommits of some sites, the first of them forged.
func certified(height uint64, forged bool, by ...peer.ID) ledger.Certified {
	e := entry(height)
	c := ledger.Certificate{Mesh: mesh, Height: height, Entry: e.CID()}
	for i, id := range by {
		v := signed(id, ledger.KindPrecommit, &ledger.Vote{Height: height, Entry: e.CID()})
		if forged && i == 0 {
			v.Sig[0]++
		}
		c.Votes = append(c.Votes, ledger.CertVote{From: id, Sig: v.Sig})
	}
	return ledger.Certified{Entry: e.Data(), Certificate: c}
}

func TestWhoIsBlamed(t *testing.T) {
	at := newStanding(t)
	vote := func(id peer.ID, height uint64, view uint64) *ledger.Signed {
		return signed(id, ledger.KindPrevote, &ledger.Vote{Height: height, View: view})
	}
	forged := vote(sites[0], 11, 0)
	forged.Sig[0]++
	proposal := func(polka *ledger.Signed) *round.Message {
		return said(sites[1], consensus.KindProposal, &consensus.Proposal{Height: 11, View: 1, ValidView: 0, Entry: entry(11).Data(), Polka: []ledger.Signed{*polka}})
	}
	forTheEntry := signed(sites[0], ledger.KindPrevote, &ledger.Vote{Height: 11, Entry: entry(11).CID()})
	badPolka := *forTheEntry
	badPolka.Sig = forged.Sig
	decided := func(list ...ledger.Certified) *round.Message { return &round.Message{Certified: list} }
	for _, c := range []struct {
		name string
		m    *round.Message
		want intake.Verdict
	}{
		{"a vote", &round.Message{Statement: vote(sites[0], 11, 0)}, intake.Relay},
		{"a late vote", &round.Message{Statement: vote(sites[0], 10, 0)}, intake.Keep},
		{"a stranger's vote", &round.Message{Statement: vote("stranger", 11, 0)}, intake.Keep},
		{"a forged vote", &round.Message{Statement: forged}, intake.Strike},
		{"an update of a round that is over", said(sites[0], ledger.KindUpdate, &ledger.Update{Run: theRun, Round: 3, Opened: 1, Attempt: 1, Base: theRun, Manifest: theRun, Samples: 1}), intake.Keep},
		{"a head", &round.Message{Head: &round.Head{Height: 4}}, intake.Keep},
		{"a proposal that is another's to make", said(sites[2], consensus.KindProposal, &consensus.Proposal{Height: 11, ValidView: -1, Entry: entry(11).Data()}), intake.Relay},
		{"a proposal with its prevotes", proposal(forTheEntry), intake.Relay},
		{"a proposal with a forged prevote", proposal(&badPolka), intake.Strike},
		{"a proposal with prevotes of another entry", proposal(vote(sites[0], 11, 0)), intake.Strike},
		{"evidence", &round.Message{Evidence: &peerlog.Evidence{A: *vote(sites[0], 11, 5), B: *signed(sites[0], ledger.KindPrevote, &ledger.Vote{Height: 11, View: 5, Entry: mesh})}}, intake.Relay},
		{"evidence that proves nothing", &round.Message{Evidence: &peerlog.Evidence{A: *vote(sites[0], 11, 1), B: *vote(sites[0], 11, 2)}}, intake.Strike},
		{"the next entry", decided(certified(11, false, sites[:3]...)), intake.Keep},
		{"the next entry with too few signatures", decided(certified(11, false, sites[:2]...)), intake.Strike},
		{"the next entry with a forged signature", decided(certified(11, true, sites...)), intake.Strike},
		{"an old entry with a forged signature", decided(certified(9, true, sites...)), intake.Strike},
		{"entries that do not follow each other", decided(certified(11, false, sites...), certified(13, false, sites...)), intake.Strike},
		{"an entry that is no entry", decided(ledger.Certified{Entry: []byte{0xa0}}), intake.Strike},
	} {
		got, err := intake.New(mesh, verify).Judge(now, sites[3], c.m, 300, at)
		if got != c.want || (err != nil) != (got == intake.Strike) {
			t.Errorf("%s: %s, %v; want %s", c.name, got, err, c.want)
		}
	}
	// An older program passes on what it does not look at, and is not to blame.
	at.knows = 3
	for _, m := range []*round.Message{proposal(&badPolka), {Evidence: &peerlog.Evidence{A: *vote(sites[0], 11, 1), B: *vote(sites[0], 11, 2)}}} {
		if got, _ := intake.New(mesh, verify).Judge(now, sites[3], m, 300, at); got != intake.Drop {
			t.Errorf("what an older program passes on unseen: %s", got)
		}
	}
}

// One author says too much: it is rationed, nobody is blamed who passes it on, and no other author is held up.
func TestAuthorsAreRationed(t *testing.T) {
	at, i := newStanding(t), intake.New(mesh, verify)
	tally := map[intake.Verdict]int{}
	for view := range uint64(20000) {
		got, _ := i.Judge(now.Add(time.Duration(view)*time.Millisecond), sites[1+view%3], said(sites[0], ledger.KindPrevote, &ledger.Vote{Height: 11, View: view}), 200, at)
		tally[got]++
	}
	if tally[intake.Strike] > 0 || tally[intake.Relay] < 700 || tally[intake.Relay] > 900 {
		t.Errorf("of 20,000 votes in 20 s: %v", tally)
	}
	if got, _ := i.Judge(now.Add(20*time.Second), sites[1], said(sites[1], ledger.KindPrevote, &ledger.Vote{Height: 11}), 200, at); got != intake.Relay {
		t.Errorf("another author's vote: %s", got)
	}
	tally = map[intake.Verdict]int{}
	for k := range byte(100) {
		got, _ := i.Judge(now, sites[1], said(sites[2], consensus.KindReady, &consensus.Ready{Height: 99, Entry: block.Sum(block.DagCBOR, []byte{k}), Data: make([]byte, 500<<10)}), 500<<10, at)
		tally[got]++
	}
	if tally[intake.Relay] > 9 || tally[intake.Relay] < 7 || tally[intake.Strike] > 0 {
		t.Errorf("of 100 messages of 500 KiB: %v", tally)
	}
}

// Nobody can use up another's ration: what an author has said before may be said again by anybody.
func TestReplaysChargeNoAuthor(t *testing.T) {
	at, i := newStanding(t), intake.New(mesh, verify)
	update := func(r uint64, attempt uint64) *round.Message {
		return said(sites[0], ledger.KindUpdate, &ledger.Update{Run: theRun, Round: r, Opened: 1 + attempt, Attempt: 1, Base: theRun, Manifest: theRun, Samples: 1})
	}
	for k := range uint64(5000) {
		_, _ = i.Judge(now, sites[3], update(2, k), 400, at) // it was there, and has kept them all
		m := said(sites[0], ledger.KindPrevote, &ledger.Vote{Height: 11})
		m.Attempt = k
		_, _ = i.Judge(now, sites[3], m, 200, at)
		_, _ = i.Judge(now, sites[3], said(sites[0], ledger.KindPrecommit, &ledger.Vote{Height: 10, View: k}), 200, at)
	}
	for name, m := range map[string]*round.Message{
		"a new update": update(20, 0), "a new vote": said(sites[0], ledger.KindPrevote, &ledger.Vote{Height: 11, View: 1}),
	} {
		if got, _ := i.Judge(now, sites[1], m, 400, at); got != intake.Relay {
			t.Errorf("%s of an author whose old words were said again: %s", name, got)
		}
	}
	again := said(sites[0], ledger.KindPrevote, &ledger.Vote{Height: 11})
	if got, _ := i.Judge(now.Add(time.Second), sites[0], again, 200, at); got != intake.Relay {
		t.Errorf("a vote that is repeated after a second: %s", got)
	}
}

// Heads and decided entries come from who says them: who floods is blamed, and no site that keeps to the protocol is.
func TestFloodsOfOwnWords(t *testing.T) {
	at := newStanding(t)
	flood := func(m func(k int) *round.Message, every time.Duration, n int) (struck int, first time.Duration) {
		i := intake.New(mesh, verify)
		for k := range n {
			passed := time.Duration(k) * every
			if got, _ := i.Judge(now.Add(passed), sites[3], m(k), 300, at); got == intake.Strike {
				if struck++; struck == 17 {
					first = passed
				}
			}
		}
		return struck, first
	}
	heads := func(k int) *round.Message { return &round.Message{Head: &round.Head{Height: uint64(k % 3)}} }
	old := certified(9, false, sites...)
	entries := func(int) *round.Message { return &round.Message{Certified: []ledger.Certified{old}} }
	for name, m := range map[string]func(int) *round.Message{"heads": heads, "entries": entries} {
		if struck, after := flood(m, time.Second/100, 500); struck < 17 || after > 5*time.Second {
			t.Errorf("100 %s a second: %d strikes, the seventeenth after %v", name, struck, after)
		}
		if struck, _ := flood(m, 280*time.Millisecond, 5000); struck > 0 {
			t.Errorf("as many %s as the protocol sends: %d strikes", name, struck)
		}
		if struck, _ := flood(m, 0, 256); struck > 0 {
			t.Errorf("%s that waited for a connection that stalled: %d strikes", name, struck)
		}
	}
}

// FuzzJudge: whatever can be decoded is judged, and nothing malformed is passed on.
func FuzzJudge(f *testing.F) {
	f.Add(said(sites[0], ledger.KindPrevote, &ledger.Vote{Height: 11}).Encode())
	f.Add((&round.Message{Certified: []ledger.Certified{certified(11, false, sites...)}}).Encode())
	f.Add((&round.Message{Head: &round.Head{Height: 1}}).Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := round.DecodeMessage(data)
		if err != nil {
			return
		}
		at := newStanding(t)
		got, why := intake.New(mesh, verify).Judge(now, sites[3], m, len(data), at)
		if (why != nil) != (got == intake.Strike) {
			t.Errorf("%s, %v", got, why)
		}
		if got == intake.Relay && (m.Head != nil || m.Certified != nil) {
			t.Error("a head or a decided entry is passed on")
		}
	})
}
