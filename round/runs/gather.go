package runs

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/trace"
)

// How announced updates come here. The driver fetches them; what is held may be lost again.

// seekSoon has an update fetched now, or once the site takes part and all of its log is restored.
func (p *state) seekSoon(u *update) {
	if p.begun && p.participates() {
		p.seek(u)
	} else {
		p.unsought = true
	}
}

// seekAll has the updates fetched that came while this site had no use for them.
func (p *state) seekAll() {
	if !p.unsought {
		return
	}
	p.unsought = false
	for _, c := range p.offers.order {
		for _, u := range c.updates {
			p.seek(u)
		}
	}
}

// seek has an announced update fetched.
func (p *state) seek(u *update) {
	if u.seek() {
		p.Out.Start(Fetch{Run: p.run.ID, Manifest: u.Manifest, Layout: p.run.Spec.Layout, Owner: u.statement.From, Base: u.measuredFrom(p.run)})
	}
}

// fetched takes the end of a fetch of an update.
func (p *state) fetched(e Fetched) {
	if p.run.Spec.Layout != e.Layout || e.State {
		return
	}
	for _, u := range p.offers.updates[e.Manifest] {
		switch {
		case u.held || u.measuredFrom(p.run) != e.Base: // equal bytes may be offered for rounds of other bases
		case e.Invalid != "":
			p.spoilUpdate(u, e.Invalid)
		case p.run.Bounded && !u.says(e.Norm):
			p.spoilUpdate(u, fmt.Sprintf("it changes the model by a norm of %.6g, and says otherwise", e.Norm))
		default:
			p.hasUpdate(u)
		}
	}
}

// lost notes that an artifact is not held any more, nor being fetched.
func (p *state) lost(manifest block.CID) {
	for _, u := range p.offers.updates[manifest] {
		if u.invalid == "" {
			u.lose()
			p.unsought = true
			p.recount(p.offers.of(u.statement.From))
		}
	}
}

// hasUpdate notes that an update is held, and how long it took: deadlines follow from that. A site's first in the run says nothing
// of the next ones: its trainer's process starts with it, reads its data and compiles.
func (p *state) hasUpdate(u *update) {
	u.arrive(p.now())
	if c := p.offers.of(u.statement.From); c.before(u.Opened) {
		p.pace.arrived(u.Opened, p.now(), 5*p.roster().Len())
	}
	p.recount(p.offers.of(u.statement.From))
	p.Out.Trace(trace.Held{Subject: trace.In(u.Run, u.Round).Of(u.statement.From), Update: u.Manifest})
}

// spoilUpdate notes that an update can never be used.
func (p *state) spoilUpdate(u *update, why string) {
	u.spoil(why)
	p.recount(p.offers.of(u.statement.From))
	p.Out.Trace(trace.UpdateSpoilt{Subject: trace.In(u.Run, u.Round).Of(u.statement.From), Update: u.Manifest, Why: why})
}
