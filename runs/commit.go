package runs

import (
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// commit returns the commit of a seal, or nil as long as this site has not computed its model.
func (p *state) commit(latest *ledger.SealAt) *ledger.Commit {
	model := p.computed.models[latest.CID]
	if !model.Defined() {
		return nil
	}
	return &ledger.Commit{Run: p.run.ID, Round: p.run.Round, Seal: latest.CID, Model: model}
}

// committed takes a decided commit.
func (p *state) committed(b *ledger.Commit) {
	r := p.run
	sealed := r.Commits[len(r.Commits)-1].Sealed
	if own := p.computed.models[b.Seal]; own.Defined() && own != b.Model {
		p.Out.Trace(trace.Diverged{Subject: trace.In(r.ID, b.Round).Of(p.Self), Own: own, Model: b.Model, Why: "the mesh committed another model than this site computed: check this machine"})
		p.models.drop(own, r.Spec.Layout)
		p.Out.Start(Forget{Run: r.ID, Manifest: own})
	}
	p.dropUpdates(sealed)
	p.reopen(r)
}
