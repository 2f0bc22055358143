package membership

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

var _ = handle(ledger.KindJoin, kind{
	restore: func(m *Members, s *ledger.Signed, _ ledger.Body) error {
		m.joins[block.Sum(block.DagCBOR, s.Body)] = true
		return nil
	},
})

// ReceiveJoin takes the signature of a key that a change adds, which no roster lists yet. It returns
// early if the ledger here has not come as far as the join.
func (m *Members) ReceiveJoin(s *ledger.Signed, j *ledger.Join) (early bool, err error) {
	p := m.changes[j.Change]
	switch {
	case p == nil:
		return false, nil // not known yet, or decided meanwhile; it is said again
	case p.Add == nil || p.Add.ID != s.From:
		return false, fmt.Errorf("join of %s: %w, and not who comes", s.From, ledger.ErrStranger)
	case j.Height > m.Ledger.Height():
		return true, nil
	case int64(j.Height) <= p.joined() || !m.Ledger.Recent(j):
		return false, nil
	}
	if err := s.CheckSignature(m.Ledger.Mesh(), p.Add.Name, m.Verify); err != nil {
		return false, err
	}
	m.comes(p, s, j)
	m.version++
	return false, nil
}

func (m *Members) comes(p *pending, s *ledger.Signed, j *ledger.Join) {
	if p.comes(s, j) {
		m.Out.Trace(trace.Joins{Subject: trace.Of(s.From), Change: p.id, Name: p.Add.Name})
	}
}

// JoinAgain signs every pending change that adds this key at the newest head.
func (m *Members) JoinAgain() {
	if !m.observes() {
		return
	}
	for _, p := range m.pending() {
		if p.Add == nil || p.Add.ID != m.Self || p.joined() >= int64(m.Ledger.Height()) {
			continue
		}
		j := &ledger.Join{Change: p.id, Height: m.Ledger.Height(), Entry: m.Ledger.Head()}
		s := m.Out.Sign(ledger.KindJoin, j)
		m.comes(p, s, j)
		m.joins[block.Sum(block.DagCBOR, s.Body)] = true
		m.Out.Save(s)
		m.Out.Publish(s, 0, func(uint64) bool {
			c := m.changes[j.Change]
			return c != nil && c.join == s
		})
	}
}
