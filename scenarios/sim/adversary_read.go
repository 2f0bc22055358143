package sim

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

// What adversaries read out of messages.

// own returns the site's own statement in what it is about to send, with its body.
func (l *Liar) own(s round.Send) (*ledger.Signed, ledger.Body) {
	st := s.Message.Statement
	if st == nil || st.From != l.Self() {
		return nil, nil
	}
	return st, bodyOf(st)
}

// heard returns another site's statement in what has arrived, with its body.
func (l *Liar) heard(ev round.Event) (*ledger.Signed, ledger.Body) {
	r, ok := ev.(round.Received)
	if !ok || r.Message.Statement == nil || r.Message.Statement.From == l.Self() {
		return nil, nil
	}
	return r.Message.Statement, bodyOf(r.Message.Statement)
}

// bodyOf returns a statement's body, or nil if it has none that can be read.
func bodyOf(s *ledger.Signed) ledger.Body {
	body, err := s.Open()
	if err != nil {
		return nil
	}
	return body
}

// says reports whether the site is about to send an own statement of a kind.
func (l *Liar) says(s round.Send, kind ledger.Kind) bool {
	st, _ := l.own(s)
	return st != nil && st.Kind == kind
}

// audience returns who is to get a message.
func (l *Liar) audience(s round.Send) []peer.ID {
	if s.To != "" {
		return []peer.ID{s.To}
	}
	return l.Others()
}

// next returns the height being decided.
func (l *Liar) next() uint64 { return l.Ledger().Height() + 1 }

// round returns the newest round of all runs.
func (l *Liar) round() (newest uint64) {
	for _, r := range l.Ledger().Runs() {
		newest = max(newest, r.Round)
	}
	return newest
}

// proposed returns the entry that a proposal offers, or nil if it is none.
func proposed(p *consensus.Proposal) *ledger.Entry {
	e, err := ledger.DecodeEntry(p.Entry)
	if err != nil {
		return nil
	}
	return e
}

// spoken returns which entry of the height being decided a statement speaks of.
func (l *Liar) spoken(body ledger.Body) block.CID {
	var height uint64
	var entry block.CID
	switch b := body.(type) {
	case *consensus.Ready:
		height, entry = b.Height, b.Entry
	case *consensus.Proposal:
		height, entry = b.Height, block.Sum(block.DagCBOR, b.Entry)
	case *ledger.Vote:
		height, entry = b.Height, b.Entry
	}
	if height != l.next() {
		return block.CID{}
	}
	return entry
}

// nowhere returns the CID of a manifest that does not exist.
func (l *Liar) nowhere() block.CID {
	var b [16]byte
	for i := range b {
		b[i] = byte(l.rng.Uint32())
	}
	return block.Sum(block.DagCBOR, b[:])
}

// changed returns an entry for the place of e with another body, if it may stand there.
func (l *Liar) changed(e *ledger.Entry, body ledger.Decision) *ledger.Entry {
	if seal, ok := body.(*ledger.Seal); ok && seal.Number == 0 { // what each update weighs depends on the others
		for i, w := range l.Ledger().Weights(l.Ledger().Run(seal.Run), seal) {
			seal.Updates[i].Weight = w
		}
	}
	c := &ledger.Entry{Mesh: e.Mesh, Height: e.Height, Parent: e.Parent, Body: body}
	if l.Ledger().Check(c) != nil || c.CID() == e.CID() {
		return nil
	}
	return c
}

// norm returns what an update's author has to state of its change.
func (l *Liar) norm(run, manifest, base block.CID) ledger.Norm {
	if !l.Ledger().Run(run).Bounded {
		return ledger.Norm{}
	}
	norm, _ := change(l.Workload(), manifest, base)
	return ledger.NewNorm(norm)
}

// without returns a first seal that leaves a site out, if it may.
func (l *Liar) without(e *ledger.Entry, left peer.ID) *ledger.Entry {
	first := ledger.As[ledger.Seal](e)
	if first == nil || first.Number > 0 {
		return nil
	}
	seal := *first
	seal.Updates = slices.DeleteFunc(slices.Clone(seal.Updates), func(u ledger.SealedUpdate) bool { return u.Update.From == left })
	return l.changed(e, &seal)
}

// seat is where a site may speak once.
type seat struct {
	kind ledger.Kind
	view uint64
}

// ballot remembers what a site has said at the height being decided, for adversaries that vote by
// hand and do not want to be caught for a double.
type ballot struct {
	height uint64
	said   map[seat]string
}

// takes reports whether a vote may be said: its place is free, or it says the same.
func (b *ballot) takes(l *Liar, s *ledger.Signed, v *ledger.Vote) bool {
	if v.Height != l.next() {
		return v.Height < l.next()
	}
	if b.height != v.Height {
		b.height, b.said = v.Height, map[seat]string{}
	}
	at := seat{s.Kind, v.View}
	if old, taken := b.said[at]; taken {
		return old == string(s.Body)
	}
	b.said[at] = string(s.Body)
	return true
}

// vote says a vote by hand if its place is free.
func (b *ballot) vote(l *Liar, kind ledger.Kind, view uint64, entry block.CID, deed string) {
	v := &ledger.Vote{Height: l.next(), View: view, Entry: entry}
	s := l.Sign(kind, v)
	if b.height == v.Height {
		if _, taken := b.said[seat{kind, view}]; taken {
			return
		}
	}
	if b.takes(l, s, v) {
		l.Did(deed)
		l.Repeat(s)
	}
}
