package round

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// double handles a second statement for a place: the same bytes again are a repetition, other
// bytes are an equivocation, which is kept, told to all and named.
func (m *Machine) double(old, s *ledger.Signed) error {
	if bytes.Equal(old.Body, s.Body) {
		return nil
	}
	e := &Evidence{*old, *s}
	if !e.proves() {
		return nil
	}
	m.name(e)
	return fmt.Errorf("%w: %s of %s", ledger.ErrEquivocate, s.Kind, m.roster.Name(s.From))
}

// decided returns what is kept of a height: the votes of its certificate's view.
func (h *height) decided(cert *ledger.Certificate) *height {
	past := &height{
		number: h.number, view: cert.View, lockedView: -1, validView: -1,
		proposals: map[uint64]*proposal{}, prevotes: map[uint64]*tally{}, precommits: map[uint64]*tally{},
	}
	if p := h.proposals[cert.View]; p != nil {
		past.proposals[cert.View] = p
	}
	past.prevotes[cert.View], past.precommits[cert.View] = h.votes(ledger.KindPrevote, cert.View), h.votes(ledger.KindPrecommit, cert.View)
	return past
}

// comparePast looks whether a statement of a height decided lately contradicts one that was seen then.
func (m *Machine) comparePast(s *ledger.Signed) {
	body, _ := s.Open()
	for _, h := range m.past {
		switch b := body.(type) {
		case *ledger.Vote:
			if b.Height != h.number || b.View != h.view {
				continue
			}
			if old := h.votes(s.Kind, b.View).votes[s.From]; old != nil {
				_ = m.double(old, s) // it is named there
			} else {
				h.votes(s.Kind, b.View).add(s, b.Entry)
			}
		case *ledger.Proposal:
			if old := h.proposals[b.View]; b.Height == h.number && old != nil {
				_ = m.double(old.statement, s)
			}
		}
	}
}

// name records evidence against a site, the first against each.
func (m *Machine) name(e *Evidence) {
	if m.named[e.A.From] != nil {
		return
	}
	m.named[e.A.From] = e
	m.save(Record{Evidence: e})
	m.dirty = true
	for _, p := range m.parts {
		if c := p.sites[e.A.From]; c != nil {
			m.recount(p, c)
		}
	}
	m.stand(&standing{message: Message{Evidence: e}, most: 3})
	m.trace(Trace{Event: "equivocation", Site: e.A.From, Kind: string(e.A.Kind), Text: "two signed statements for one place"})
}

// Named returns the sites that have been proven to lie.
func (m *Machine) Named() []peer.ID {
	var ids []peer.ID
	for _, s := range m.roster.Sites() {
		if m.named[s.ID] != nil {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

func (m *Machine) receiveEvidence(e *Evidence) error {
	for _, s := range []*ledger.Signed{&e.A, &e.B} {
		if err := m.verify(s); errors.Is(err, ledger.ErrStranger) {
			return nil // not a site any more, or not known here yet
		} else if err != nil {
			return err
		}
	}
	if !e.proves() {
		return fmt.Errorf("evidence: %w: the two statements can both be honest", ledger.ErrMalformed)
	}
	m.name(e)
	return nil
}

// proves reports whether no correct site signs both statements. Signatures are checked apart.
func (e *Evidence) proves() bool {
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

// compare looks at what another site is ready to commit: another model from the same seal means
// that one of the two computed it wrong.
func (m *Machine) compare(from peer.ID, c *candidate) {
	if c.entry == nil {
		return
	}
	theirs := ledger.As[ledger.Commit](c.entry)
	if theirs == nil {
		return
	}
	p := m.parts[theirs.Run]
	if p == nil || !p.models[theirs.Seal].Defined() || p.models[theirs.Seal] == theirs.Model {
		return
	}
	key := divergence{theirs.Seal, from}
	if p.diverged[key] {
		return
	}
	p.diverged[key] = true
	m.trace(Trace{
		Event: "diverged", Site: from, Run: theirs.Run, Round: theirs.Round, Entry: p.models[theirs.Seal], Model: theirs.Model,
		Text: "computed another model from the same seal: one of the two machines is broken or lies",
	})
}

type divergence struct {
	seal block.CID
	site peer.ID
}
