package runs

import (
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// model is a model, an outer step's state, or a run's constants, as a run means it: nothing but its layout, for a state the
// model's, makes it useless, and only to that run. Constants may have any.
type model struct {
	manifest, layout block.CID
	state            bool
}

// models are those that a site holds in full, and those that it has fetched. States and constants are held and fetched like them.
type models struct {
	env    *env
	held   map[model]bool
	sought map[model]*seeking // being fetched, found useless, or given up for a while
}

func newModels(v *env) *models {
	return &models{env: v, held: map[model]bool{}, sought: map[model]*seeking{}}
}

// hold reports whether a model is held in full, and has it fetched if not.
func (m *models) hold(run, manifest, layout block.CID) bool {
	return m.holdAny(run, model{manifest, layout, false})
}

// holdState is hold for an outer step's state; one that is undefined, all zero, is held.
func (m *models) holdState(run, name, layout block.CID) bool {
	return !name.Defined() || m.holdAny(run, model{name, layout, true})
}

// holdRound is hold for the base of a run's round, and for the run's constants; those that are undefined, none, are held.
func (m *models) holdRound(r *ledger.Run, tensors block.CID) (base, constants bool) {
	base = m.hold(r.ID, r.Base, r.Spec.Layout)
	return base, !tensors.Defined() || m.holdAny(r.ID, model{manifest: tensors})
}

func (m *models) holdAny(run block.CID, what model) bool {
	if !m.held[what] {
		m.fetch(run, what, "")
	}
	return m.held[what]
}

// holdBest has the best model of a run fetched where it was not computed, with the state that it was committed with.
func (m *models) holdBest(r *ledger.Run) {
	if best := r.Best(); best != nil {
		m.hold(r.ID, best.Model, r.Spec.Layout)
		m.holdState(r.ID, best.State, r.Spec.Layout)
	}
}

// holdBase is hold for the base of a run that a site asks for, its constants, and the state that its outer step begins with; it may
// have the others fetch so much and no more.
func (m *models) holdBase(run block.CID, spec *ledger.RunSpec) bool {
	held := m.holdFor(run, model{spec.Base, spec.Layout, false}, spec.By)
	if state := spec.Strategy.State(); state.Defined() {
		held = m.holdFor(run, model{state, spec.Layout, true}, spec.By) && held
	}
	if tensors := spec.Constants.Tensors(); tensors.Defined() {
		held = m.holdFor(run, model{manifest: tensors}, spec.By) && held
	}
	return held
}

func (m *models) holdFor(run block.CID, what model, opener peer.ID) bool {
	if m.held[what] {
		return true
	}
	waits := 0
	for _, k := range m.sought {
		if k.by == opener {
			waits++
		}
	}
	if waits < maxSought {
		m.fetch(run, what, opener)
	}
	return false
}

func (m *models) fetch(run block.CID, what model, by peer.ID) {
	if k, known := m.sought[what]; !known || k.rests && by == "" {
		m.sought[what] = &seeking{run: run, by: by, since: m.env.now(), look: m.env.now() + soughtAlone}
		m.env.Out.Start(Fetch{Run: run, Manifest: what.manifest, Layout: what.layout, State: what.state})
	}
}

// abandon ends the fetches of what a run begins with: this site takes no part in it any more. Whoever else counts on one of them asks
// again.
func (m *models) abandon(r *ledger.Run, tensors block.CID) {
	for _, what := range []model{{r.Base, r.Spec.Layout, false}, {r.State, r.Spec.Layout, true}, {manifest: tensors}} {
		if k := m.sought[what]; k != nil && k.run == r.ID {
			delete(m.sought, what)
			m.env.Out.Start(Forget{Run: r.ID, Manifest: what.manifest})
		}
	}
}

// giveUp ends the fetches of bases of runs that are still not open after a long time: nobody may have them.
func (m *models) giveUp() {
	now := m.env.now()
	var tired []Forget
	for what, k := range m.sought {
		switch {
		case k.by == "" || now < k.look || m.env.Ledger.Run(k.run) != nil:
		case k.rests:
			delete(m.sought, what) // it may be sought again
		case k.tired(now, m.env.Sites.Reaches):
			k.rest(now)
			tired = append(tired, Forget{Run: k.run, Manifest: what.manifest})
		default:
			k.wait(now)
		}
	}
	slices.SortFunc(tired, func(a, b Forget) int { return a.Manifest.Compare(b.Manifest) })
	for _, job := range tired {
		m.env.Out.Start(job)
	}
}

// deadlines tells f when a fetch is to be looked at again.
func (m *models) deadlines(f func(time.Duration)) {
	for _, k := range m.sought {
		if k.by != "" && k.look > m.env.now() && m.env.Ledger.Run(k.run) == nil {
			f(k.look)
		}
	}
}

// made notes what this site has computed.
func (m *models) made(done result, layout block.CID) {
	for what := range done.models(layout) {
		m.held[what] = true
	}
}

// drop forgets a model.
func (m *models) drop(what model) { delete(m.held, what) }

// fetched notes the end of a fetch; it reports whether a sought model was found useless, which stays
// sought, so that it is not asked for again.
func (m *models) fetched(e Fetched) (useless bool) {
	what := model{e.Manifest, e.Layout, e.State}
	if _, sought := m.sought[what]; !sought || e.Base.Defined() { // an update may have a model's bytes, and be refused for its change
		return false
	}
	if e.Invalid != "" {
		return true
	}
	delete(m.sought, what)
	m.held[what] = true
	return false
}

// lost notes that an artifact is not held any more, nor being fetched.
func (m *models) lost(manifest block.CID) {
	maps.DeleteFunc(m.held, func(what model, _ bool) bool { return what.manifest == manifest })
	maps.DeleteFunc(m.sought, func(what model, k *seeking) bool { return what.manifest == manifest && !k.rests })
}
