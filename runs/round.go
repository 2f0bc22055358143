package runs

import (
	"maps"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// Phase is where the open round of a run stands at this site.
type Phase uint8

const (
	Open     Phase = iota // updates come in
	Enough                // so many are in that a seal may be formed
	Sealed                // a seal is decided
	Reducing              // the model of the latest seal is being computed
	Computed              // it has been computed
	Spoilt                // an input of the latest seal cannot be aggregated
)

func (p Phase) String() string {
	return [...]string{"open", "enough", "sealed", "reducing", "computed", "spoilt"}[p]
}

// PhaseEvent moves a [Phase].
type PhaseEvent uint8

const (
	Suffice   PhaseEvent = iota // enough updates are in
	Lack                        // they are no longer enough
	Seal                        // a seal is decided, the first or another
	Reduction                   // a reduction begins
	Compute                     // it has ended with a model
	Blame                       // it has ended with an input that cannot be aggregated
	Begin                       // the next round begins, or the same anew
)

func (e PhaseEvent) String() string {
	return [...]string{"suffice", "lack", "seal", "reduce", "compute", "blame", "begin"}[e]
}

// PhaseTable says how a round moves. docs/architecture.md shows it.
var PhaseTable = map[Phase]map[PhaseEvent]Phase{
	Open:     {Suffice: Enough, Lack: Open, Seal: Sealed, Begin: Open},
	Enough:   {Suffice: Enough, Lack: Open, Seal: Sealed, Begin: Open},
	Sealed:   {Suffice: Sealed, Lack: Sealed, Seal: Sealed, Reduction: Reducing, Begin: Open},
	Reducing: {Suffice: Reducing, Lack: Reducing, Seal: Sealed, Compute: Computed, Blame: Spoilt, Begin: Open},
	Computed: {Suffice: Computed, Lack: Computed, Seal: Sealed, Begin: Open},
	Spoilt:   {Suffice: Spoilt, Lack: Spoilt, Seal: Sealed, Begin: Open},
}

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
	if !hasBase || c.reducing == latest.CID || c.models[latest.CID].Defined() || c.bad[latest.CID] != nil || !p.holdsAll(latest.Seal) {
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
	p.Out.Trace(trace.Step{Event: "reduce", Run: r.ID, Round: r.Round, Entry: latest.CID})
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
		p.Out.Trace(trace.Step{Event: "bad input", Run: r.ID, Round: r.Round, Site: e.Bad.Site, Entry: e.Seal, Model: e.Bad.Shard, Text: e.Bad.Err})
		return
	}
	if isLatest {
		p.phase.on(Compute)
	}
	p.models.made(e.Model, r.Spec.Layout)
	p.Out.Trace(trace.Step{Event: "reduced", Run: r.ID, Round: r.Round, Entry: e.Seal, Model: e.Model})
}

// compare looks at what another site is ready to commit: another model from the same seal means
// that one of the two computed it wrong.
func (p *state) compare(from peer.ID, theirs *ledger.Commit) {
	if !p.computed.differs(from, theirs) {
		return
	}
	p.Out.Trace(trace.Step{
		Event: "diverged", Site: from, Run: theirs.Run, Round: theirs.Round, Entry: p.computed.models[theirs.Seal], Model: theirs.Model,
		Text: "computed another model from the same seal: one of the two machines is broken or lies",
	})
}

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
	p.openedAt[r.Opened] = p.now()
	if len(p.openedAt) > ledger.MaxStale+2 { // no older update can count
		delete(p.openedAt, slices.Min(slices.Collect(maps.Keys(p.openedAt))))
	}
	p.lookBack(r.Spec.Needed(p.roster()))
	p.phase.on(Begin) // enough only since now
	p.noteEnough()
	p.training.reopen()
	p.formed = formed{}
	p.computed = newComputed()
}
