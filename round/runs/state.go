package runs

import (
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// state is what a site knows and holds of one run.
type state struct {
	*env
	models *models
	run    *ledger.Run

	constants  block.CID // the run's; undefined: none
	considered bool      // the site was asked whether it takes part
	unsought   bool      // updates came while the site did not take part
	lastHeld   bool      // the last model of a run that is over has been held here

	offers   offers
	pace     pace
	sealedAt time.Duration
	formed   formed

	training training
	phase    region[Phase, PhaseEvent]
	computed computed
	closing  closing
}

// formed is the seal that this site would have decided at a height; none: it is to be formed anew.
type formed struct {
	seal   block.CID
	height uint64
}

func newState(v *env, m *models, r *ledger.Run) *state {
	p := &state{
		env: v, models: m, run: r, constants: r.Spec.Constants.Tensors(), offers: newOffers(), pace: newPace(r.Opened, v.now()), training: newTraining(v.Strict),
		phase: region[Phase, PhaseEvent]{table: PhaseTable, strict: v.Strict}, computed: newComputed(), closing: newClosing(v, r),
	}
	for _, s := range v.roster().Sites() {
		p.recount(p.offers.of(s.ID))
	}
	return p
}

// asked notes that the site was asked whether it takes part.
func (p *state) asked() { p.considered = true }

// begin lets the times of what was restored count from now on: a log has no clock.
func (p *state) begin() {
	p.pace.begin(p.now())
	p.offers.begin(p.now())
	p.sealedAt = p.now()
}

// accepted reports whether this site takes part.
func (p *state) accepted() bool { return p.offers.accepts(p.Self) }

// participates reports whether this site has a use for the updates of the run.
func (p *state) participates() bool { return p.run.Active() && p.accepted() }

// follow starts whatever the run needs next.
func (p *state) follow() {
	r := p.run
	if p.accepted() || p.observes() {
		p.models.holdBest(r)
	}
	if !r.Active() {
		if len(r.Commits) > 0 && !p.lastHeld {
			base, constants := p.models.holdRound(r, p.constants) // for a site that did not compute it
			p.lastHeld = base && constants
		}
		if p.accepted() {
			p.closing.begin()
			if p.lastHeld {
				p.closing.ask()
			}
		}
		return
	}
	if p.observes() {
		p.models.holdRound(r, p.constants)
		return
	}
	if !p.considered {
		p.asked()
		p.Out.Start(Consider{r.ID, r.Spec})
	}
	if !p.accepted() && r.Asked && r.Round == 1 {
		return // only who takes part fetches what one site alone has made
	}
	hasBase, hasConstants := p.models.holdRound(r, p.constants)
	if !p.accepted() {
		return
	}
	hasState := p.models.holdState(r.ID, r.State, r.Spec.Layout)
	p.seekAll()
	noteRest(p)
	latest := r.Latest()
	if latest != nil && hasBase && hasState {
		p.reduce(r, latest)
	}
	p.train(r, latest, hasBase && hasConstants)
}

// decided turns the state to what an entry about the run has decided.
func (p *state) decided(d ledger.Decision) {
	switch b := d.(type) {
	case *ledger.Seal:
		p.sealedAt = p.now()
		p.phase.on(Seal)
		p.noteSealed(b)
		if b.Ground != nil {
			p.recountAll()
		}
	case *ledger.Void:
		p.dropUpdates(nil)
		p.reopen(p.run)
	case *ledger.Commit:
		p.committed(b)
	}
	if !p.run.Active() {
		p.stopTraining()
		p.dropUpdates(nil)
		if !p.run.Measurable() {
			p.closing.done()
		}
	}
}

// leave ends this site's part in the run; other sites' updates are no longer its business.
func (p *state) leave() {
	p.stopTraining()
	for _, c := range p.offers.order {
		for _, u := range c.updates {
			if u.held || u.sought {
				p.forget(u.Manifest)
			}
		}
		c.keep(func(*update) bool { return false })
	}
}
