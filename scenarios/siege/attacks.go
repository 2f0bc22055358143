package siege

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net"
	"time"

	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/peerlog"
)

// Attack is something to be sent again and again.
type Attack struct {
	Name   string
	Banned bool // its bytes, or their number, show that no correct site sends it: who does is banned
	// Shot is fired until the attack is over; n counts, and height is about where the ledger is.
	Shot func(ctx context.Context, b *Besieger, n, height uint64)
	Rest time.Duration // after each shot
}

// Attacks are what a member, or in the last of them a stranger, can do.
var Attacks = []Attack{
	{"heads", true, heads, 0},
	{"junk entries", true, junkEntries, 10 * time.Millisecond},
	{"replayed entries", true, replayedEntries, 10 * time.Millisecond},
	{"forged signatures", true, forged, 0},
	{"empty evidence", true, evidence, 0},
	{"far votes", false, farVotes, 0},
	{"large readys", false, largeReadys, 5 * time.Millisecond},
	{"consents", false, consents, 0},
	{"idle sockets", false, idleSockets, 50 * time.Millisecond},
}

func (b *Besieger) toAll(ctx context.Context, m *round.Message) {
	data := m.Encode()
	for _, t := range b.Targets {
		b.Send(ctx, t.ID, data)
	}
}

func nowhere(n uint64) block.CID {
	return block.Sum(block.DagCBOR, binary.BigEndian.AppendUint64([]byte("nowhere"), n))
}

// heads asks for the ledger from one height and another in turn.
func heads(ctx context.Context, b *Besieger, n, height uint64) {
	b.toAll(ctx, &round.Message{Attempt: n, Head: &round.Head{Height: n % max(1, height), Entry: nowhere(n)}})
}

// junkEntries are 47 KB of decided entries each, with signatures that are none.
func junkEntries(ctx context.Context, b *Besieger, n, height uint64) {
	m := &round.Message{Attempt: n}
	for k := range uint64(32) {
		e := &ledger.Entry{Mesh: b.mesh, Height: height + 1 + k, Parent: nowhere(n + k), Body: &ledger.Close{Run: nowhere(k)}}
		c := ledger.Certificate{Mesh: b.mesh, Height: e.Height, Entry: e.CID()}
		for _, t := range b.Targets {
			c.Votes = append(c.Votes, ledger.CertVote{From: t.ID, Sig: make([]byte, 64)})
		}
		m.Certified = append(m.Certified, ledger.Certified{Entry: e.Data(), Certificate: c})
	}
	b.toAll(ctx, m)
}

// replayedEntries bear the besieger's own signature, which is good, for a height that is decided.
func replayedEntries(ctx context.Context, b *Besieger, n, height uint64) {
	e := &ledger.Entry{Mesh: b.mesh, Height: max(1, height/2), Parent: nowhere(n), Body: &ledger.Close{Run: nowhere(n)}}
	v := b.Sign(ledger.KindPrecommit, &ledger.Vote{Height: e.Height, Entry: e.CID()})
	b.toAll(ctx, &round.Message{Attempt: n, Certified: []ledger.Certified{{
		Entry: e.Data(), Certificate: ledger.Certificate{Mesh: b.mesh, Height: e.Height, Entry: e.CID(), Votes: []ledger.CertVote{{From: b.ID, Sig: v.Sig}}},
	}}})
}

func forged(ctx context.Context, b *Besieger, n, height uint64) {
	s := b.Sign(ledger.KindPrevote, &ledger.Vote{Height: height + 1, View: n})
	s.From = b.Targets[n%uint64(len(b.Targets))].ID
	b.Say(ctx, s)
}

// evidence is of two votes that both can be honest.
func evidence(ctx context.Context, b *Besieger, n, height uint64) {
	x, y := b.Sign(ledger.KindPrevote, &ledger.Vote{Height: height + 1, View: n}), b.Sign(ledger.KindPrevote, &ledger.Vote{Height: height + 1, View: n + 1})
	if n%256 == 0 { // else it would be taken for an older program, which does not look at evidence
		b.toAll(ctx, &round.Message{Attempt: n, Head: &round.Head{Height: height, Protocol: ledger.Newest}})
	}
	b.Publish(ctx, &round.Message{Attempt: n, Evidence: &peerlog.Evidence{A: *x, B: *y}})
}

func farVotes(ctx context.Context, b *Besieger, n, height uint64) {
	b.Say(ctx, b.Sign(ledger.KindPrevote, &ledger.Vote{Height: height + 100 + n, View: n, Entry: nowhere(n)}))
}

func largeReadys(ctx context.Context, b *Besieger, n, height uint64) {
	data := make([]byte, 500<<10)
	_, _ = rand.Read(data) // never fails
	b.Say(ctx, b.Sign(consensus.KindReady, &consensus.Ready{Height: height + 100 + n, Entry: nowhere(n), Data: data}))
}

func consents(ctx context.Context, b *Besieger, n, _ uint64) {
	b.Say(ctx, b.Sign(ledger.KindConsent, &ledger.Consent{Run: nowhere(n), Accept: true, Serial: 1 + n}))
}

// idleSockets are a stranger's: 40 at each target say nothing, and are opened again when they are closed.
func idleSockets(ctx context.Context, b *Besieger, n, _ uint64) {
	if n >= 40 {
		return
	}
	for _, t := range b.Targets {
		addr, err := manet.ToNetAddr(t.Addrs[0])
		if err != nil {
			continue
		}
		go func() {
			for ctx.Err() == nil {
				c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr.String())
				if err == nil {
					stop := context.AfterFunc(ctx, func() { _ = c.Close() })
					buf := make([]byte, 1<<10)
					for err == nil {
						_, err = c.Read(buf)
					}
					stop()
					_ = c.Close()
				}
				time.Sleep(50 * time.Millisecond)
			}
		}()
	}
}
