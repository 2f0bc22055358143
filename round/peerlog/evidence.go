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

// MaxAge is for how many heights after the one that it names evidence has an effect. It follows from the evidence and the
// ledger alone, so that it ends everywhere at once, and evidence of long ago that is told again has none. The log keeps it.
const MaxAge = 1000

// Height returns the height that the evidence is about.
func (e *Evidence) Height() uint64 {
	body, err := e.A.Open()
	if at, ok := body.(ledger.AtHeight); ok && err == nil {
		return at.At()
	}
	return 0
}

// Proofs are the sites that are proven to lie, the evidence against each that has an effect.
type Proofs struct {
	out     Out
	height  uint64 // newest decided
	against map[peer.ID]*Evidence
	version uint64
}

// NewProofs returns proofs against nobody.
func NewProofs(out Out) *Proofs { return &Proofs{out: out, against: map[peer.ID]*Evidence{}} }

// Advance turns to a decided height: what is too old has no effect any more.
func (p *Proofs) Advance(height uint64) {
	p.height = height
	for id, e := range p.against {
		if !p.effective(e) {
			delete(p.against, id)
			p.version++
		}
	}
}

func (p *Proofs) effective(e *Evidence) bool { return p.height <= e.Height()+MaxAge }

// Accused reports whether a site is proven to lie.
func (p *Proofs) Accused(id peer.ID) bool { return p.against[id] != nil }

// Version counts the changes of who is proven to lie.
func (p *Proofs) Version() uint64 { return p.version }

// Len returns how many sites are proven to lie.
func (p *Proofs) Len() int { return len(p.against) }

// Restore takes evidence of the log. An older program has kept some that proves nothing: of two updates.
func (p *Proofs) Restore(e *Evidence) {
	if e.Proves() {
		p.note(e)
	}
}

// Add takes evidence that proves, unless the site is proven to lie already.
func (p *Proofs) Add(e *Evidence) {
	if p.note(e) {
		p.out.Accuse(e)
	}
}

func (p *Proofs) note(e *Evidence) bool {
	if p.against[e.A.From] != nil || !p.effective(e) {
		return false
	}
	p.against[e.A.From] = e
	p.version++
	return true
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
