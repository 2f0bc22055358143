package round

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
)

// What a site's operator asks of the mesh.

func (m *Machine) openRun(spec *ledger.RunSpec) {
	if err := spec.Validate(m.roster); err != nil || m.ledger.Run(spec.ID()) != nil {
		return // the driver has checked and told the operator
	}
	s := m.sign(ledger.KindOpen, spec)
	m.asked = append(m.asked, s)
	m.save(Record{Statement: s})
	m.dirty = true
}

func (m *Machine) stopRun(e StopRun) {
	if !m.active(e.Run) || m.observes() {
		return
	}
	body := &ledger.Stop{Run: e.Run, Reason: e.Reason}
	s := m.sign(ledger.KindStop, body)
	m.save(Record{Statement: s})
	m.noteStop(s, body)
}

// noteStop takes a request to end a run; one's own is told to the others.
func (m *Machine) noteStop(s *ledger.Signed, b *ledger.Stop) {
	if m.stops[b.Run] == nil {
		m.stops[b.Run] = map[peer.ID]*ledger.Signed{}
	}
	if m.stops[b.Run][s.From] != nil {
		return
	}
	m.stops[b.Run][s.From] = s
	m.dirty = true
	if s.From == m.self {
		m.publish(s, 0)
	}
}
