package membership

import (
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// maxChanges is how many changes of one roster one site may approve of.
const maxChanges = ledger.MaxChanges

var _ = handle(ledger.KindApprove, kind{
	version: func(b ledger.Body) uint64 { return b.(*ledger.Change).Version },
	receive: func(m *Members, s *ledger.Signed, b ledger.Body) error {
		c := b.(*ledger.Change)
		if c.Version < m.roster().Version() {
			return nil // its author hears of the roster in force by our head
		}
		return m.noteApproval(s, c)
	},
	restore: func(m *Members, s *ledger.Signed, b ledger.Body) error { return m.noteApproval(s, b.(*ledger.Change)) },
	own: func(m *Members, s *ledger.Signed, b ledger.Body) error {
		c := b.(*ledger.Change)
		if p := m.changes[s.ID()]; c.Version != m.roster().Version() || p == nil || p.approvals[m.Self] != nil {
			return nil
		}
		if err := m.Out.Verify(s); err != nil {
			return err
		}
		m.Out.Save(s)
		return m.noteApproval(s, c)
	},
})

// CheckApproval says whether this site's operator may approve of a change now.
func (m *Members) CheckApproval(c *ledger.Change) error {
	if m.observes() {
		return fmt.Errorf("%w: this site is not in the roster", ledger.ErrStranger)
	}
	if err := m.Ledger.CheckChange(c); err != nil {
		return err
	}
	if knows := m.Ledger.Understands(); c.Protocol > knows {
		return &ledger.NewerError{Weft: c.Weft, Why: fmt.Sprintf("it raises the protocol to %d, this program knows %d", c.Protocol, knows)}
	}
	if !m.approved(c) && m.approvedBy(m.Self) >= maxChanges {
		return fmt.Errorf("%w: this site approves of %d already", ledger.ErrTooMany, maxChanges)
	}
	return nil
}

// approved reports whether this site has approved of a change, taken back since or not.
func (m *Members) approved(c *ledger.Change) bool {
	p := m.changes[c.ID()]
	return p != nil && p.approvals[m.Self] != nil
}

// approvedBy returns how many pending changes a site has approved of, taken back since or not.
func (m *Members) approvedBy(id peer.ID) (n int) {
	for _, c := range m.changes {
		if c.approvals[id] != nil {
			n++
		}
	}
	return n
}

// Approve is the operator's yes to a change.
func (m *Members) Approve(c *ledger.Change) {
	if m.CheckApproval(c) != nil {
		return // the driver has checked and told the operator
	}
	if m.approved(c) {
		m.sayAgain(m.changes[c.ID()], false)
		return
	}
	s := m.Out.Sign(ledger.KindApprove, c)
	if m.noteApproval(s, c) == nil {
		m.Out.Save(s)
	}
}

// noteApproval takes an approval of a change of the roster in force; one's own is told to the others.
func (m *Members) noteApproval(s *ledger.Signed, c *ledger.Change) error {
	id := block.Sum(block.DagCBOR, s.Body)
	p := m.changes[id]
	if p != nil && p.approvals[s.From] != nil {
		return nil
	}
	if p == nil {
		if err := m.Ledger.CheckChange(c); err != nil {
			return err
		}
	}
	crowded := m.approvedBy(s.From) >= maxChanges
	if crowded && !m.makeRoom(s.From, id) {
		return nil
	}
	isNew := p == nil
	if isNew {
		p = newPending(c, id)
		m.changes[id] = p
	}
	p.approve(s)
	m.version++
	if !crowded || len(p.approvals) == m.roster().Quorum() { // a site that keeps approving must not flood the trace
		if isNew {
			m.Out.Trace(trace.ChangeAsked{Subject: trace.Of(s.From), Change: p.id, Words: p.String()})
		}
		m.traceApproval(s.From, p)
	}
	if s.From == m.Self {
		m.Out.Publish(s, 0, func(uint64) bool { return c.Version == m.roster().Version() })
	}
	return nil
}

// makeRoom drops an approval of a site that approves of more changes than it may, if it comes after the one of id: all
// sites keep the same, and do not tell each other of the rest for ever.
func (m *Members) makeRoom(from peer.ID, id block.CID) bool {
	var last *pending
	for _, c := range m.changes {
		if c.approvals[from] != nil && (last == nil || last.id.Compare(c.id) < 0) {
			last = c
		}
	}
	if last.id.Compare(id) < 0 {
		return false
	}
	if len(last.approvals) == m.roster().Quorum() {
		m.Out.Trace(trace.ApprovalDropped{Subject: trace.Of(from), Change: last.id, Words: last.String()})
	}
	if last.drop(from) {
		delete(m.changes, last.id)
	}
	return true
}
