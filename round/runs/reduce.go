package runs

import (
	"iter"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// result is what a reduction yields: a model, and the state of the outer step after it, undefined if that has none.
type result struct{ model, state block.CID }

// models yields the model and the state as they are held.
func (r result) models(layout block.CID) iter.Seq[model] {
	return func(yield func(model) bool) {
		if yield(model{r.model, layout, false}) && r.state.Defined() {
			yield(model{r.state, layout, true})
		}
	}
}

// without yields what of it is not in another result.
func (r result) without(other result, layout block.CID) iter.Seq[model] {
	return func(yield func(model) bool) {
		keep := slices.Collect(other.models(layout))
		for what := range r.models(layout) {
			if !slices.Contains(keep, what) && !yield(what) {
				return
			}
		}
	}
}

// divergence is another site's result of a seal that is not ours.
type divergence struct {
	seal block.CID
	site peer.ID
}

// computed is what this site has made of the seals of a round.
type computed struct {
	reducing block.CID               // the seal being reduced
	results  map[block.CID]result    // by seal
	bad      map[block.CID]*BadInput // seal -> what could not be aggregated
	diverged map[divergence]bool     // that have been told
}

func newComputed() computed {
	return computed{results: map[block.CID]result{}, bad: map[block.CID]*BadInput{}, diverged: map[divergence]bool{}}
}

func (c *computed) begin(seal block.CID) { c.reducing = seal }

// end takes what came out of the reduction that is under way.
func (c *computed) end(e Reduced) {
	c.reducing = block.CID{}
	if e.Bad != nil {
		c.bad[e.Seal] = e.Bad
	} else {
		c.results[e.Seal] = result{e.Model, e.State}
	}
}

// made returns the result of a seal here, if it is computed.
func (c *computed) made(seal block.CID) (done result, ok bool) {
	done, ok = c.results[seal]
	return done, ok
}

// differs reports whether another site's result of a seal is not ours, which is told once.
func (c *computed) differs(from peer.ID, theirs *ledger.Commit) bool {
	own, ok := c.made(theirs.Seal)
	key := divergence{theirs.Seal, from}
	if !ok || own == committedResult(theirs) || c.diverged[key] {
		return false
	}
	c.diverged[key] = true
	return true
}

// reduce starts the computation of the new model once its base is held and all that a seal lists.
func (p *state) reduce(r *ledger.Run, latest *ledger.SealAt) {
	c := &p.computed
	if _, made := c.made(latest.CID); made || c.reducing == latest.CID || c.bad[latest.CID] != nil || !p.offers.holds(latest.Seal) {
		return
	}
	j := Reduce{Run: r.ID, Round: r.Round, Seal: latest.CID, Base: r.Base, State: r.State, Inputs: r.Inputs(latest.Seal)}
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
	p.models.made(result{e.Model, e.State}, r.Spec.Layout)
	p.Out.Trace(trace.Reduced{Subject: trace.In(r.ID, r.Round), Seal: e.Seal, Model: e.Model})
}
