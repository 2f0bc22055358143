package runs

import (
	"slices"

	"github.com/weft-mesh/weft/ledger"
)

// TakesPart reports whether this site takes part in the run that an entry is about, or whether the
// ledger does not have that run.
func (r *Runs) TakesPart(e *ledger.Entry) bool {
	p := r.states[e.Run()]
	return p == nil || p.accepted()
}

// Holds reports whether this site holds all that voting for an entry about a run needs, so that every
// site that voted can serve it. Validity was checked when the entry was learnt.
func (r *Runs) Holds(e *ledger.Entry) bool {
	switch b := e.Body.(type) {
	case *ledger.Open:
		if r.asks.inForce() {
			return true // what it brings is all that a vote needs: a base is fetched by who takes part, once the run is open
		}
		spec, _ := ledger.BodyOf[ledger.RunSpec](&b.Spec, ledger.KindOpen)
		return r.models.holdBase(e.Run(), spec)
	case *ledger.Close:
		return true
	}
	p := r.states[e.Run()]
	if p == nil || !p.accepted() {
		return false // updates are for participants only: others cannot check
	}
	switch b := e.Body.(type) {
	case *ledger.Closing:
		return true
	case *ledger.Seal:
		return p.offers.holds(b)
	case *ledger.Void:
		return true
	case *ledger.Commit:
		own, made := p.computed.made(b.Seal)
		return made && own == committedResult(b)
	}
	return false
}

// Agrees reports whether this site finds itself what an entry about a run claims: who is in and who is not.
func (r *Runs) Agrees(e *ledger.Entry) bool {
	p := r.states[e.Run()]
	switch b := e.Body.(type) {
	case *ledger.Open:
		return r.asks.standsBehind(b)
	case *ledger.Seal:
		if b.Number == 0 {
			// One that leaves a site out has to wait for this site's own deadline.
			return p.sealDeadlinePassed() || !p.offers.omits(b, p.run.Round) && !waitsBeside(p, b)
		}
		return p.sameGround(b.Ground)
	case *ledger.Void:
		return p.sameGround(&b.Ground)
	case *ledger.Closing:
		return p.closing.agrees(b)
	}
	return true
}

// sameGround reports whether this site finds itself what a ground claims.
func (p *state) sameGround(g *ledger.Ground) bool {
	own := p.ground()
	if own == nil || own.Kind != g.Kind {
		return false
	}
	if g.Kind == ledger.Invalid {
		return own.Shard == g.Shard && slices.Equal(own.Dropped, g.Dropped)
	}
	for _, id := range g.Dropped {
		if !slices.Contains(own.Dropped, id) {
			return false // this site holds it, and can serve it
		}
	}
	return true
}
