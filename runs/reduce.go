package runs

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// divergence is another site's model of a seal that is not ours.
type divergence struct {
	seal block.CID
	site peer.ID
}

// computed is what this site has made of the seals of a round.
type computed struct {
	reducing block.CID               // the seal being reduced
	models   map[block.CID]block.CID // seal -> model computed here
	bad      map[block.CID]*BadInput // seal -> what could not be aggregated
	diverged map[divergence]bool     // that have been told
}

func newComputed() computed {
	return computed{models: map[block.CID]block.CID{}, bad: map[block.CID]*BadInput{}, diverged: map[divergence]bool{}}
}

func (c *computed) begin(seal block.CID) { c.reducing = seal }

// end takes what came out of the reduction that is under way.
func (c *computed) end(e Reduced) {
	c.reducing = block.CID{}
	if e.Bad != nil {
		c.bad[e.Seal] = e.Bad
	} else {
		c.models[e.Seal] = e.Model
	}
}

// differs reports whether another site's model of a seal is not ours, which is told once.
func (c *computed) differs(from peer.ID, theirs *ledger.Commit) bool {
	own := c.models[theirs.Seal]
	key := divergence{theirs.Seal, from}
	if !own.Defined() || own == theirs.Model || c.diverged[key] {
		return false
	}
	c.diverged[key] = true
	return true
}

// reduce starts the computation of the new model once all that a seal lists is held.
func (p *state) reduce(r *ledger.Run, latest *ledger.SealAt, hasBase bool) {
	c := &p.computed
	if !hasBase || c.reducing == latest.CID || c.models[latest.CID].Defined() || c.bad[latest.CID] != nil || !p.offers.holds(latest.Seal) {
		return
	}
	j := Reduce{Run: r.ID, Round: r.Round, Seal: latest.CID, Base: r.Base, Inputs: latest.Inputs()}
	for _, in := range j.Inputs {
		if in.Base.Defined() && !p.models.hold(r.ID, in.Base, r.Spec.Layout) {
			return
		}
	}
	p.phase.on(Reduction)
	c.begin(latest.CID)
	p.Out.Start(j)
	p.Out.Trace(trace.ReductionStarted{Subject: trace.In(r.ID, r.Round), Seal: latest.CID})
}

// reduced takes the end of the reduction that is under way.
func (p *state) reduced(e Reduced) {
	r := p.run
	p.computed.end(e)
	p.touch()
	latest := r.Latest()
	isLatest := latest != nil && latest.CID == e.Seal
	if e.Bad != nil {
		if isLatest {
			p.phase.on(Blame)
		}
		p.Out.Trace(trace.InputSpoilt{Subject: trace.In(r.ID, r.Round).Of(e.Bad.Site), Seal: e.Seal, Shard: e.Bad.Shard, Why: e.Bad.Err})
		return
	}
	if isLatest {
		p.phase.on(Compute)
	}
	p.models.made(e.Model, r.Spec.Layout)
	p.Out.Trace(trace.Reduced{Subject: trace.In(r.ID, r.Round), Seal: e.Seal, Model: e.Model})
}
