package node

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/gossip"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/site"
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
	v := *n.views.now()
	v.height = 5
	n.views.show(&v)
	mesh, box := n.mesh, n.box
	r := newReceiver(mesh, n.views, n.verifier, n.programs, newTestEvents(t, filepath.Join(t.TempDir(), site.TraceFile)), box)
	vote := func(key, from int, height uint64) []byte {
		m := round.Message{Statement: statement(t, mesh, key, from, ledger.KindPrevote, &ledger.Vote{Height: height})}
		return m.Encode()
	}
	another := round.Message{Statement: statement(t, testCID(block.DagCBOR, "another mesh"), 1, 1, ledger.KindPrevote, &ledger.Vote{Height: 8})}
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
		{"signed by another", vote(2, 1, 7), gossip.Reject, false},
		{"of another mesh", another.Encode(), gossip.Reject, false},
		{"malformed", []byte{0xa0}, gossip.Reject, false},
		{"height 0", vote(1, 1, 0), gossip.Reject, false},
	} {
		got := r.handle(t.Context(), testID(t, 3), c.data)
		ev, queued := box.queue.take()
		if got != c.want || queued != c.queued {
			t.Errorf("%s: %s, queued: %v", c.name, got, queued)
		}
		if m, ok := ev.(round.Received); queued && (!ok || m.From != testID(t, 3) || m.Bytes != len(c.data)) {
			t.Errorf("%s: queued %+v", c.name, ev)
		}
	}
	for view := range uint64(queueEvents) {
		box.queue.bring(round.Received{From: testID(t, 3), Message: &round.Message{Attempt: view}}, 1)
	}
	if got := r.handle(t.Context(), testID(t, 3), vote(1, 1, 7)); got != gossip.Ignore {
		t.Errorf("a neighbour whose messages take all room: %s", got)
	}
	if got := r.handle(t.Context(), testID(t, 4), vote(1, 1, 8)); got != gossip.Accept {
		t.Errorf("another, while one floods: %s", got)
	}
}

// A flood delays nobody else's messages, and what happens at this site goes first.
func TestQueueIsFair(t *testing.T) {
	q := newQueue(100, 1000)
	bring := func(from peer.ID, attempt uint64, bytes int) bool {
		return q.bring(round.Received{From: from, Message: &round.Message{Attempt: attempt}}, bytes)
	}
	for i := range uint64(30) {
		bring("flood", i, 100)
	}
	if q.bytes != 1000 || q.count != 10 {
		t.Fatalf("%d messages, %d bytes", q.count, q.bytes)
	}
	for i := range uint64(3) {
		if !bring("honest", i, 50) {
			t.Fatal("no room beside a flood")
		}
	}
	if bring("flood", 99, 100) {
		t.Error("the flood gets more than the rest")
	}
	q.put(round.Alarm{})
	var order []string
	for {
		select {
		case <-q.wake:
		default:
			t.Fatal("something waits, and nobody is woken")
		}
		ev, ok := q.take()
		if !ok {
			break
		}
		switch e := ev.(type) {
		case round.Received:
			order = append(order, fmt.Sprintf("%s%d", string(e.From), e.Message.Attempt))
		default:
			order = append(order, "own")
		}
		if q.count == 0 {
			break
		}
	}
	if got := strings.Join(order[:7], " "); got != "own flood0 honest0 flood1 honest1 flood2 honest2" {
		t.Errorf("taken in the order %s", got)
	}
	if q.bytes != 0 || len(q.lines) != 0 || len(q.turn) != 0 {
		t.Errorf("empty, and keeps %d bytes of %d neighbours", q.bytes, len(q.lines))
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
