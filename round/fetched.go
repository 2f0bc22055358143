package round

import (
	"maps"

	"github.com/libp2p/go-libp2p/core/peer"
)

// fetched tells that an artifact is held now, or can never be used.
func (m *Machine) fetched(e Fetched) {
	m.dirty = true
	what := model{e.Manifest, e.Layout}
	if _, sought := m.sought[what]; sought {
		if e.Invalid == "" {
			delete(m.sought, what)
			m.held[what] = true
		} else { // stays sought, so that it is not asked for again
			m.trace(Trace{Event: "bad model", Model: e.Manifest, Text: e.Invalid})
		}
	}
	for _, r := range m.ledger.Runs() {
		p := m.part(r.ID)
		if r.Spec.Layout != e.Layout {
			continue
		}
		for _, u := range p.offers[e.Manifest] {
			switch {
			case u.held:
			case e.Invalid != "":
				m.spoilUpdate(p, u, e.Invalid)
			default:
				m.hasUpdate(p, u)
			}
		}
	}
}

// lost tells that an artifact is not held any more, nor being fetched.
func (m *Machine) lost(e Lost) {
	m.dirty = true
	maps.DeleteFunc(m.held, func(what model, _ bool) bool { return what.manifest == e.Manifest })
	maps.DeleteFunc(m.sought, func(what model, _ peer.ID) bool { return what.manifest == e.Manifest })
	for _, r := range m.ledger.Runs() {
		p := m.part(r.ID)
		for _, u := range p.offers[e.Manifest] {
			if u.invalid == "" {
				u.held, u.sought, p.unsought = false, false, true
				m.recount(p, u.by)
			}
		}
	}
}
