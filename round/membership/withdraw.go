package membership

import (
	"fmt"

	"github.com/weft-mesh/weft/ledger"
)

var _ = handle(ledger.KindWithdraw, kind{
	version: func(b ledger.Body) uint64 { return b.(*ledger.Withdraw).Version }, // of an older version there is nothing to take back
	receive: func(m *Members, s *ledger.Signed, b ledger.Body) error {
		m.noteWithdrawal(s, b.(*ledger.Withdraw))
		return nil
	},
	restore: func(m *Members, s *ledger.Signed, b ledger.Body) error {
		m.noteWithdrawal(s, b.(*ledger.Withdraw))
		return nil
	},
	own: func(m *Members, s *ledger.Signed, b ledger.Body) error {
		w := b.(*ledger.Withdraw)
		p := m.changes[w.Change]
		if p == nil || p.approvals[m.Self] == nil || w.Serial <= p.serial(m.Self) {
			return nil
		}
		if err := m.Out.Verify(s); err != nil {
			return err
		}
		m.Out.Save(s)
		m.noteWithdrawal(s, w)
		return nil
	},
})

// CheckTakeBack says whether this site's operator may take back an approval of a change: there must be one.
func (m *Members) CheckTakeBack(c *ledger.Change) error {
	if p := m.changes[c.ID()]; p == nil || !p.approves(m.Self) {
		return fmt.Errorf("%s: %w", c, ledger.ErrNoApproval)
	}
	return nil
}

// TakeBack is the operator's no to a change after a yes.
func (m *Members) TakeBack(c *ledger.Change) {
	if m.CheckTakeBack(c) == nil { // the driver has checked and told the operator
		m.sayAgain(m.changes[c.ID()], true)
	}
}

// sayAgain takes this site's approval of a change back, or gives it again.
func (m *Members) sayAgain(p *pending, withdrawn bool) {
	if p.approves(m.Self) != withdrawn {
		return
	}
	w := &ledger.Withdraw{Change: p.id, Version: p.Version, Serial: p.serial(m.Self) + 1, Withdrawn: withdrawn}
	s := m.Out.Sign(ledger.KindWithdraw, w)
	m.noteWithdrawal(s, w)
	m.Out.Save(s)
}

// noteWithdrawal takes what a site says of its approval since; one's own is told to the others. An approval that has not
// come yet is not awaited: the heads tell who lacks what.
func (m *Members) noteWithdrawal(s *ledger.Signed, w *ledger.Withdraw) {
	p := m.changes[w.Change]
	if p == nil || p.approvals[s.From] == nil || w.Serial <= p.serial(s.From) {
		return
	}
	before := p.approves(s.From)
	p.withdraw(s)
	m.version++
	delete(m.proposed, p.id) // what is formed may bring what was taken back
	if p.approves(s.From) != before {
		m.traceApproval(s.From, p)
	}
	if s.From == m.Self {
		m.Out.Publish(s, 0, func(uint64) bool { // the newest
			c := m.changes[w.Change]
			return c != nil && c.withdrawals[m.Self] == s
		})
	}
}
