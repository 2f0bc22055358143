package round

import (
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// A site becomes one, and ceases to be one, by the ledger.

// receiveJoin takes the signature of a key that a change adds.
func (m *Machine) receiveJoin(r Received, s *ledger.Signed, j *ledger.Join) error {
	p := m.changes[j.Change]
	switch {
	case p == nil:
		return nil // not known yet, or decided meanwhile; it is said again
	case p.Add == nil || p.Add.ID != s.From:
		return fmt.Errorf("join of %s: %w, and not who comes", s.From, ledger.ErrStranger)
	case j.Height > m.ledger.Height():
		m.lag(r.From)
		return nil
	case int64(j.Height) <= p.joined() || !m.ledger.Recent(j):
		return nil
	}
	if err := s.CheckSignature(m.ledger.Mesh(), p.Add.Name, m.cfg.Verify); err != nil {
		return err
	}
	if p.join == nil {
		m.trace(Trace{Event: "joins", Site: s.From, Entry: p.id, Text: p.Add.Name})
	}
	p.join, p.at = s, j
	m.dirty = true
	return nil
}

// observes reports whether this site's key is none of the mesh's sites: not yet, or no longer. It then
// follows the ledger and holds models, but says nothing of its own, save that it wants to join.
func (m *Machine) observes() bool { return !m.roster.Has(m.self) }

// joinAgain signs every pending change that adds this key at the newest head.
func (m *Machine) joinAgain() {
	if !m.observes() {
		return
	}
	for _, p := range m.pending() {
		if p.Add == nil || p.Add.ID != m.self || p.joined() >= int64(m.ledger.Height()) {
			continue
		}
		j := &ledger.Join{Change: p.id, Height: m.ledger.Height(), Entry: m.ledger.Head()}
		s := m.sign(ledger.KindJoin, j)
		if p.join == nil {
			m.trace(Trace{Event: "joins", Site: m.self, Entry: p.id, Text: p.Add.Name})
		}
		p.join, p.at = s, j
		m.joins[block.Sum(block.DagCBOR, s.Body)] = true
		m.save(Record{Statement: s})
		m.publish(s, 0)
	}
}

// followChanged turns to a new roster.
func (m *Machine) followChanged(e *ledger.Entry) {
	c, r := &ledger.As[ledger.Changed](e).Change, m.roster
	m.trace(Trace{Event: "roster changed", Height: e.Height, Entry: e.CID(), Text: fmt.Sprintf("%s: n=%d f=%d q=%d", c, r.Len(), r.F(), r.Quorum())})
	clear(m.changes) // they were for the roster before
	m.mute.extend(e.Height)
	if c.Remove != nil {
		m.forgetSite(c.Remove.ID)
	}
	for _, run := range m.ledger.Runs() {
		if p := m.parts[run.ID]; p != nil && run.Active() {
			if c.Add != nil {
				p.contributor(c.Add.ID)
			}
			m.dropUpdates(p, nil)
		}
	}
	if c.Add != nil && c.Add.ID == m.self {
		m.admitted(e)
	}
	for _, s := range []*ledger.Site{c.Remove, c.Add} {
		if s != nil && m.reaches(s.ID) { // so that it learns of it at once, and before it is cut off
			m.sendCertified(s.ID, min(e.Height-1, m.peers[s.ID].height)+1)
		}
	}
	clear(m.joins)
}

// admitted makes the observer a site. If this log holds the join that the entry brings, then the key
// has never been a site's before the log began, so nothing can be lost of what it has voted.
func (m *Machine) admitted(e *ledger.Entry) {
	m.trace(Trace{Event: "takes part", Site: m.self, Height: e.Height})
	if m.mute.on && m.joins[block.Sum(block.DagCBOR, ledger.As[ledger.Changed](e).Join.Body)] {
		m.mute.until = 0
		m.endMute()
	}
}

// forgetSite takes from a key that was removed its say in what is not decided. What is sealed stays.
func (m *Machine) forgetSite(id peer.ID) {
	for _, stops := range m.stops {
		delete(stops, id)
	}
	for _, r := range m.ledger.Runs() {
		p := m.parts[r.ID]
		if p == nil {
			continue
		}
		if c := p.sites[id]; c != nil {
			c.consent, c.accepts = nil, false
		}
		if id == m.self {
			m.leaveRun(p)
		}
	}
	if id == m.self {
		m.asked = nil
		m.trace(Trace{Event: "observes", Site: m.self, Height: m.ledger.Height(), Text: "removed from the roster: what this site trains no longer counts"})
	}
}

// leaveRun ends this site's part in a run; other sites' updates are no longer its business.
func (m *Machine) leaveRun(p *part) {
	if p.training != nil {
		p.training = nil
		m.start(StopTrain{p.run.ID})
	}
	for _, c := range p.order {
		for _, u := range c.updates {
			if u.held || u.sought {
				m.start(Forget{Run: p.run.ID, Manifest: u.Manifest, Update: true})
			}
		}
		c.updates = nil
	}
}

// receiveStranger looks at a statement whose author is no site of the roster in force. It may be a
// newcomer's, of whom this site has not heard yet, or that of a site which has not heard of its removal.
func (m *Machine) receiveStranger(r Received, body any, err error) error {
	height := uint64(0)
	switch b := body.(type) {
	case *ledger.Ready:
		height = b.Height
	case *ledger.Proposal:
		height = b.Height
	case *ledger.Vote:
		height = b.Height
	case *ledger.Update:
		height = b.Opened
	}
	author := r.Message.Statement.From
	switch {
	case m.ledger.HasBeen(author):
		if height > 0 && height <= m.ledger.Height() {
			m.answer(author, height)
		}
		return fmt.Errorf("%s of %s, which was removed: %w", r.Message.Statement.Kind, m.ledger.Name(author), ledger.ErrStranger)
	case height == 0 || height > m.height.number:
		m.lag(r.From)
		return nil // it is said again
	}
	return err
}
