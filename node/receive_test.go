package node

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/gossip"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

// statement signs a body as package round does; key is the signer's number, from the author's.
func statement(t *testing.T, mesh block.CID, key, from int, kind ledger.Kind, body any) *ledger.Signed {
	t.Helper()
	k, _ := testKey(t, key)
	data := block.Encode(body)
	signed := append([]byte("weft/statement/1\x00"), mesh.Bytes()...)
	signed = append(append(signed, byte(len(kind))), kind...)
	return &ledger.Signed{From: testID(t, from), Kind: kind, Body: data, Sig: sign(k, append(signed, data...))}
}

// What no correct site passes on is rejected, what is late or for this site alone is not relayed.
func TestHandle(t *testing.T) {
	n := testNode(t)
	n.events = newTestEvents(t, filepath.Join(t.TempDir(), traceName))
	v := *n.view.Load()
	v.height = 5
	n.view.Store(&v)
	mesh := n.home.Genesis.Block().CID
	vote := func(key, from int, height uint64) []byte {
		m := round.Message{Statement: statement(t, mesh, key, from, ledger.KindPrevote, &ledger.Vote{Height: height})}
		return m.Encode()
	}
	another := round.Message{Statement: statement(t, testCID(block.DagCBOR, "another mesh"), 1, 1, ledger.KindPrevote, &ledger.Vote{Height: 6})}
	head := round.Message{Head: &round.Head{Height: 4}}
	for _, c := range []struct {
		name   string
		data   []byte
		want   gossip.Verdict
		queued bool
	}{
		{"good", vote(1, 1, 6), gossip.Accept, true},
		{"of a height to come", vote(1, 1, 60), gossip.Accept, true},
		{"late", vote(1, 1, 5), gossip.Ignore, true},
		{"head", head.Encode(), gossip.Ignore, true},
		{"of a stranger", vote(2, 2, 6), gossip.Ignore, true},
		{"signed by another", vote(2, 1, 6), gossip.Reject, false},
		{"of another mesh", another.Encode(), gossip.Reject, false},
		{"malformed", []byte{0xa0}, gossip.Reject, false},
		{"height 0", vote(1, 1, 0), gossip.Reject, false},
	} {
		got := n.handle(t.Context(), testID(t, 3), c.data)
		if got != c.want || (len(n.queue) == 1) != c.queued {
			t.Errorf("%s: %s, %d queued", c.name, got, len(n.queue))
		}
		if len(n.queue) > 0 {
			n.room.Release(int64(len(c.data)))
			if r, ok := (<-n.queue).event.(round.Received); !ok || r.From != testID(t, 3) {
				t.Errorf("%s: queued %+v", c.name, r)
			}
		}
	}
	if !n.room.TryAcquire(queueBytes) {
		t.Fatal("bytes of messages that were taken still count")
	}
	if got := n.handle(t.Context(), testID(t, 3), vote(1, 1, 6)); got != gossip.Ignore || len(n.queue) > 0 {
		t.Errorf("in a flood: %s, %d queued", got, len(n.queue))
	}
	n.room.Release(queueBytes)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range cap(n.queue) {
		n.queue <- queued{event: round.Alarm{}}
	}
	if got := n.handle(ended, testID(t, 3), vote(1, 1, 6)); got != gossip.Ignore {
		t.Errorf("at the end, with a full queue: %s", got)
	}
}

// A good signature is checked once, a bad one is not taken for it.
func TestVerifier(t *testing.T) {
	v := newVerifier()
	key, id := testKey(t, 1)
	data := []byte("data")
	sig := sign(key, data)
	for range 2 {
		if !v.verify(id, data, sig) {
			t.Fatal("a good signature is refused")
		}
	}
	if v.good.Len() != 1 {
		t.Errorf("%d remembered", v.good.Len())
	}
	for name, bad := range map[string]func() bool{
		"other data":       func() bool { return v.verify(id, []byte("date"), sig) },
		"other signer":     func() bool { return v.verify(testID(t, 2), data, sig) },
		"shifted boundary": func() bool { return v.verify(id, append(sig[63:64:64], data...), sig[:63]) },
		"no key":           func() bool { return v.verify(peer.ID("x"), data, sig) },
	} {
		if bad() || v.good.Len() != 1 {
			t.Errorf("%s: verified or remembered (%d)", name, v.good.Len())
		}
	}
}

// Models are kept by policy and by need.
func TestKeeper(t *testing.T) {
	name := func(i string) block.CID { return testCID(block.DagCBOR, i) }
	run := func(number, rounds uint64, late ledger.LatePolicy) *ledger.Run {
		r := &ledger.Run{ID: name("run"), Spec: &ledger.RunSpec{Base: name("0"), Rounds: rounds, Late: late, LateMax: 2}, Round: number, Base: name("0")}
		for i := uint64(1); i < number; i++ {
			r.Base = name(string(rune('0' + i)))
			r.Commits = append(r.Commits, ledger.CommitAt{Commit: &ledger.Commit{Round: i, Model: r.Base}, Sealed: &ledger.Seal{}})
		}
		return r
	}
	for _, c := range []struct {
		name   string
		run    *ledger.Run
		newest int
		want   string // models, by round; 0 is the base
	}{
		{"first round", run(1, 9, ledger.Drop), 1, "0"},
		{"late updates need their bases", run(6, 9, ledger.Carry), 1, "0345"},
		{"none are late", run(6, 9, ledger.Drop), 1, "05"},
		{"policy", run(6, 9, ledger.Drop), 3, "0345"},
		{"over", run(6, 5, ledger.Carry), 2, "045"},
	} {
		k := &keeper{models: map[block.CID]bool{}}
		k.need(c.run, c.newest)
		got := ""
		for i := '0'; i <= '9'; i++ {
			if k.models[name(string(i))] {
				got += string(i)
			}
		}
		if got != c.want {
			t.Errorf("%s: keeps %s, want %s", c.name, got, c.want)
		}
	}
}
