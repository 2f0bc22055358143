package runs

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// commit returns the commit of a seal, or nil as long as this site has not computed its model.
func (p *state) commit(latest *ledger.SealAt) *ledger.Commit {
	done, ok := p.computed.made(latest.CID)
	if !ok {
		return nil
	}
	return &ledger.Commit{Run: p.run.ID, Round: p.run.Round, Seal: latest.CID, Model: done.model, State: done.state}
}

// committedResult returns what a commit says that came out.
func committedResult(c *ledger.Commit) result { return result{c.Model, c.State} }

// committed takes a decided commit.
func (p *state) committed(b *ledger.Commit) {
	r := p.run
	sealed := r.Commits[len(r.Commits)-1].Sealed
	if own, ok := p.computed.made(b.Seal); ok && own != committedResult(b) {
		p.Out.Trace(diverged(own, b, p.Self, "the mesh committed another model than this site computed: check this machine"))
		for what := range own.without(committedResult(b), r.Spec.Layout) {
			p.models.drop(what)
			p.Out.Start(Forget{Run: r.ID, Manifest: what.manifest})
		}
	}
	p.dropUpdates(sealed)
	p.reopen(r)
}

// diverged tells that a site's result of a seal is not ours: by the models, or by the states if those are equal.
func diverged(own result, theirs *ledger.Commit, site peer.ID, why string) trace.Diverged {
	d := trace.Diverged{Subject: trace.In(theirs.Run, theirs.Round).Of(site), Own: own.model, Model: theirs.Model, Why: why}
	if own.model == theirs.Model {
		d.Own, d.Model, d.State = own.state, theirs.State, true
	}
	return d
}
