package round

import (
	"fmt"

	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/membership"
	"github.com/weft-mesh/weft/round/runs"
)

// Restore replays one record of the site's log. What it comes to was told when it happened.
func (m *Machine) Restore(r Record) error {
	defer m.out.quiet()
	switch {
	case r.Born != nil:
		if r.Born.Mesh != m.ledger.Mesh() || r.Born.Site != m.self {
			return fmt.Errorf("log: %w: it is of site %s in mesh %s", ledger.ErrMalformed, r.Born.Site, r.Born.Mesh)
		}
		m.born = r.Born
		m.voice.Remember(r.Born.Lost && m.others() > 0) // alone, there is nobody to contradict
	case r.Decided != nil:
		e, err := ledger.DecodeEntry(r.Decided.Entry)
		if err != nil {
			return err
		}
		if err := m.ledger.Append(e, &r.Decided.Certificate); err != nil {
			return err
		}
		m.advance(e)
	case r.Lock != nil:
		return m.consensus.RestoreLock(r.Lock)
	case r.Evidence != nil:
		m.proofs.Restore(r.Evidence)
	case r.Statement != nil:
		return m.restoreStatement(r.Statement)
	}
	return nil
}

func (m *Machine) restoreStatement(s *ledger.Signed) error {
	if _, err := s.Open(); err != nil {
		return err
	}
	switch {
	case runs.Handles(s.Kind):
		return m.runs.Restore(s)
	case membership.Handles(s.Kind):
		return m.members.Restore(s)
	case consensus.Handles(s.Kind):
		m.consensus.Restore(s)
	}
	return nil
}
