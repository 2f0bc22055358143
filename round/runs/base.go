package runs

import "github.com/weft-mesh/weft/ledger"

// reopen begins the next round, or the same again.
func (p *state) reopen(r *ledger.Run) {
	p.pace.open(r.Opened, p.now())
	p.pace.lookBack(r.Spec.Needed(p.roster()))
	p.phase.on(Begin) // enough only since now
	p.noteEnough()
	p.training.reopen()
	p.formed = formed{}
	p.computed = newComputed()
}
