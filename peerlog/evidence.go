package peerlog

import (
	"bytes"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
)

// Evidence is two statements of one site for one place.
type Evidence struct {
	A ledger.Signed `cbor:"a"`
	B ledger.Signed `cbor:"b"`
}

// Proves reports whether no correct site signs both statements. Signatures are checked apart.
func (e *Evidence) Proves() bool {
	if e.A.From != e.B.From || e.A.Kind != e.B.Kind || bytes.Equal(e.A.Body, e.B.Body) {
		return false
	}
	a, errA := e.A.Open()
	b, errB := e.B.Open()
	if errA != nil || errB != nil {
		return false
	}
	once, ok := a.(ledger.Exclusive)
	return ok && once.Excludes(b)
}

// Out takes new evidence: it is saved, told to all and noted.
type Out interface {
	Accuse(e *Evidence)
	Name(id peer.ID) string
}

// Proofs are the sites that are proven to lie, the first evidence against each.
type Proofs struct {
	out     Out
	against map[peer.ID]*Evidence
	version uint64
}

// NewProofs returns proofs against nobody.
func NewProofs(out Out) *Proofs { return &Proofs{out: out, against: map[peer.ID]*Evidence{}} }

// Against returns the evidence against a site, or nil.
func (p *Proofs) Against(id peer.ID) *Evidence { return p.against[id] }

// Accused reports whether a site is proven to lie.
func (p *Proofs) Accused(id peer.ID) bool { return p.against[id] != nil }

// Version counts the sites that are proven to lie.
func (p *Proofs) Version() uint64 { return p.version }

// Len returns how many sites are proven to lie.
func (p *Proofs) Len() int { return len(p.against) }

// Restore takes evidence of the log.
func (p *Proofs) Restore(e *Evidence) {
	p.against[e.A.From] = e
	p.version++
}

// Add takes evidence that proves, unless the site is proven to lie already.
func (p *Proofs) Add(e *Evidence) {
	if p.against[e.A.From] != nil {
		return
	}
	p.against[e.A.From] = e
	p.version++
	p.out.Accuse(e)
}

// Contradiction handles a second statement for a place: the same bytes again are a repetition, other
// bytes are an equivocation, which is kept, told to all and named.
func (p *Proofs) Contradiction(old, s *ledger.Signed) error {
	if bytes.Equal(old.Body, s.Body) {
		return nil
	}
	e := &Evidence{A: *old, B: *s}
	if !e.Proves() {
		return nil
	}
	p.Add(e)
	return fmt.Errorf("%w: %s of %s", ledger.ErrEquivocate, s.Kind, p.out.Name(s.From))
}

// Named returns the sites of a roster that are proven to lie, in its order.
func (p *Proofs) Named(r *ledger.Roster) []peer.ID {
	var ids []peer.ID
	for _, s := range r.Sites() {
		if p.against[s.ID] != nil {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// Bitmap returns the roster positions of the sites that are proven to lie.
func (p *Proofs) Bitmap(r *ledger.Roster) []byte {
	return r.Bitmap(func(id peer.ID) bool { return p.against[id] != nil })
}

// Gap gives the evidence that a site lacks which knows of the liars in a bitmap, by the roster theirs.
// ours is the roster in force here.
func (p *Proofs) Gap(to peer.ID, named []byte, ours, theirs *ledger.Roster, give func(*Evidence)) {
	for _, site := range ours.Sites() {
		if e := p.against[site.ID]; e != nil && site.ID != to && theirs.Has(site.ID) && !theirs.InBitmap(named, site.ID) {
			give(e)
		}
	}
}
