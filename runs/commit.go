package runs

import (
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// committed takes a decided commit.
func (p *state) committed(b *ledger.Commit) {
	r := p.run
	sealed := r.Commits[len(r.Commits)-1].Sealed
	if own := p.computed.models[b.Seal]; own.Defined() && own != b.Model {
		p.Out.Trace(trace.Step{Event: "diverged", Site: p.Self, Run: r.ID, Round: b.Round, Entry: own, Model: b.Model, Text: "the mesh committed another model than this site computed: check this machine"})
		p.models.drop(own, r.Spec.Layout)
		p.Out.Start(Forget{Run: r.ID, Manifest: own})
	}
	p.dropUpdates(sealed)
	p.reopen(r)
}

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
