package runs

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// never is a time that does not come.
const never = time.Duration(1<<63 - 1)

// Runs is a site's part in the runs of its mesh. Its methods must not be called concurrently.
type Runs struct {
	env      *env
	models   *models
	states   map[block.CID]*state
	due      time.Duration // when the next deadline of any comes
	proofs   uint64        // version of the proofs that the states count by
	asks     *asks
	stops    stops
	troubles *troubles
	unsaid   []Trained // while this site may not offer yet
}

// New returns a site's part in no runs.
func New(cfg Config) *Runs {
	v := &env{Config: cfg}
	return &Runs{env: v, models: newModels(v), states: map[block.CID]*state{}, due: never, asks: newAsks(v), stops: stops{}, troubles: newTroubles(v)}
}

// Begin lets the times of what was restored count from now on: a log has no clock.
func (r *Runs) Begin() {
	r.env.begin()
	for _, p := range r.states {
		p.begin()
	}
}

// Version counts the changes that entries or readiness may depend on.
func (r *Runs) Version() uint64 { return r.env.version }

// Due returns when the next deadline comes.
func (r *Runs) Due() time.Duration { return r.due }

// of returns this site's part in a run, or nil for a run that the ledger does not have.
func (r *Runs) of(id block.CID) *state {
	if p := r.states[id]; p != nil {
		return p
	}
	run := r.env.Ledger.Run(id)
	if run == nil {
		return nil
	}
	p := newState(r.env, r.models, run)
	r.states[id] = p
	return p
}

// Follow starts whatever each run needs next.
func (r *Runs) Follow() {
	r.countLiars()
	r.asks.follow()
	r.models.giveUp()
	if r.env.Voice.MayOffer() && len(r.unsaid) > 0 {
		unsaid := r.unsaid
		r.unsaid = nil
		for _, e := range unsaid {
			r.Trained(e)
		}
	}
	for _, run := range r.env.Ledger.Runs() {
		r.of(run.ID).follow()
	}
}

// countLiars counts anew what the sites offer when others are proven to lie than before.
func (r *Runs) countLiars() {
	if v := r.env.Proofs.Version(); v != r.proofs {
		r.proofs = v
		for _, p := range r.states {
			for _, c := range p.offers.order {
				p.recount(c)
			}
		}
	}
}

// FindDue notes when the next deadline of any run comes.
func (r *Runs) FindDue() {
	r.due = never
	r.models.deadlines(func(t time.Duration) { r.due = min(r.due, t) })
	for _, p := range r.states {
		p.deadlines(func(t time.Duration) {
			if t > p.now() {
				r.due = min(r.due, t)
			}
		})
	}
}

// Trained takes the end of a training.
func (r *Runs) Trained(e Trained) {
	if !r.env.Voice.MayOffer() {
		r.unsaid = append(r.unsaid, e)
		return
	}
	if p := r.states[e.Run]; p != nil {
		p.trained(e)
	} else {
		r.env.Out.Start(Forget{Run: e.Run, Manifest: e.Manifest, Update: true})
	}
}

// TrainFailed takes the failure of a training.
func (r *Runs) TrainFailed(e TrainFailed) {
	if p := r.states[e.Run]; p != nil && p.training.end(e.Opened) != nil {
		p.trainFailed(e)
	}
}

// Fetched tells that an artifact is held now, or can never be used.
func (r *Runs) Fetched(e Fetched) {
	r.env.touch()
	if r.models.fetched(e) {
		r.env.Out.Trace(trace.ModelSpoilt{Model: e.Manifest, Why: e.Invalid})
	}
	for _, run := range r.env.Ledger.Runs() {
		r.of(run.ID).fetched(e)
	}
}

// Lost tells that an artifact is not held any more, nor being fetched.
func (r *Runs) Lost(e Lost) {
	r.env.touch()
	r.models.lost(e.Manifest)
	for _, run := range r.env.Ledger.Runs() {
		r.of(run.ID).lost(e.Manifest)
	}
}

// Reduced takes the end of a reduction; it reports whether a model has come out.
func (r *Runs) Reduced(e Reduced) (model bool) {
	for _, run := range r.env.Ledger.Runs() {
		if p := r.states[run.ID]; p != nil && p.computed.reducing == e.Seal {
			p.reduced(e)
			model = e.Bad == nil
		}
	}
	return model
}

// Compare looks at a commit that another site is ready for: another model from the same seal means that one
// of the two computed it wrong.
func (r *Runs) Compare(from peer.ID, theirs *ledger.Commit) {
	p := r.states[theirs.Run]
	if p == nil || !p.computed.differs(from, theirs) {
		return
	}
	own, _ := p.computed.made(theirs.Seal)
	r.env.Out.Trace(diverged(own, theirs, from, "computed another model from the same seal: one of the two machines is broken or lies"))
}

// Learned takes what an entry says that may be decided: the updates that a seal lists, and that a run would be opened.
func (r *Runs) Learned(e *ledger.Entry) {
	switch b := e.Body.(type) {
	case *ledger.Seal:
		r.of(b.Run).noteSealed(b)
	case *ledger.Open:
		r.asks.learned(b)
	}
}

// Advance turns to the next height, which has no candidates yet.
func (r *Runs) Advance() { r.asks.advance() }

// Decided turns to what an entry about a run has decided.
func (r *Runs) Decided(e *ledger.Entry) {
	if o := ledger.As[ledger.Open](e); o != nil {
		r.opened(e.Run(), o)
	}
	r.of(e.Run()).decided(e.Body)
	if !r.active(e.Run()) {
		r.troubles.over(e.Run())
	}
}

// Joined makes room for what a new site offers in the runs that are active, and drops what the change
// of the roster has made useless. An empty ID joins nobody.
func (r *Runs) Joined(id peer.ID) {
	for _, run := range r.env.Ledger.Runs() {
		if p := r.states[run.ID]; p != nil && run.Active() {
			if id != "" {
				p.offers.of(id)
			}
			p.dropUpdates(nil)
		}
	}
}

// Removed takes from a key that was removed its say in what is not decided. What is sealed stays.
func (r *Runs) Removed(id peer.ID) {
	r.stops.forget(id)
	r.troubles.forget(id)
	r.asks.forget(id)
	for _, run := range r.env.Ledger.Runs() {
		p := r.states[run.ID]
		if p == nil {
			continue
		}
		if c := p.offers.sites[id]; c != nil {
			c.leave()
		}
		p.closing.forget(id)
		if id == r.env.Self {
			p.leave()
		}
	}
}

// Participates reports whether a site has said, as far as this site knows, that it takes part in a run.
func (r *Runs) Participates(run block.CID, id peer.ID) bool {
	p := r.states[run]
	return p != nil && r.env.roster().Has(id) && p.offers.accepts(id)
}

// Said is what a site has said of a run, as far as this site knows.
type Said struct {
	Declines bool            // it takes no part
	Skips    *ledger.Skip    // it offers nothing in the current round; nil: it has not said so, or has offered something all the same
	Useless  string          // why its update of the current round, which is here, does not count; empty: it counts, or is not here
	Trouble  *ledger.Trouble // what it has said last of what goes wrong there; nil: nothing
}

// Said returns what a site has said of a run.
func (r *Runs) Said(run block.CID, id peer.ID) (said Said) {
	p := r.states[run]
	if p == nil || p.offers.sites[id] == nil {
		return said
	}
	c := p.offers.sites[id]
	said.Trouble = r.troubles.newest(run, id)
	said.Declines = c.said() && !c.accepts
	said.Useless = useless(p, c)
	if c.skips(p.run.Opened) && (c.best == nil || c.best.Round != p.run.Round) {
		said.Skips = c.skipped
	}
	return said
}

// Footprint is how much a site keeps of what others offer in its runs.
type Footprint struct {
	Updates int // of active runs, all sites'
	Sought  int // models that are being fetched, found useless, or given up
	Asked   int // runs that are asked for, and lists of them
	Answers int // on runs that are asked for
}

// Footprint counts what is kept.
func (r *Runs) Footprint() Footprint {
	k := Footprint{Sought: len(r.models.sought), Asked: len(r.asks.list) + len(r.asks.lists)}
	for _, asked := range r.asks.list {
		k.Answers += len(asked.consents)
	}
	for _, p := range r.states {
		for _, c := range p.offers.order {
			if p.run.Active() {
				k.Updates += len(c.updates)
			}
		}
	}
	return k
}

// Known is an update that this site knows of.
type Known struct {
	Statement *ledger.Signed
	Held      bool
	Invalid   string // why it can never be used, or empty
}

// Known returns the updates of a site that may still count in a run, in the order in which they came.
func (r *Runs) Known(run block.CID, site peer.ID) []Known {
	p := r.states[run]
	if p == nil || p.offers.sites[site] == nil {
		return nil
	}
	var list []Known
	for _, u := range p.offers.sites[site].updates {
		list = append(list, Known{u.statement, u.held, u.invalid})
	}
	return list
}
