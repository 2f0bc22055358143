package index

import (
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// What is kept: committed models by the site's policy (keep_models of each run, the newest; of a run that may be rewound at least
// three, and the newest three of whose rounds the number is a multiple of ten), each with the outer step's state
// that was committed with it, also where an earlier run made them which the run continues; the best and what may become that, and what runs began with; models that a run still needs; updates that can still count, or that the sites are to measure; if the run
// or the site keeps updates, those that went into a model, and the models without which late ones say nothing. The rest is
// removed after each commit and at start, as the machine's own Forget is lost in a crash.

// What a run can be rewound to at every site.
const (
	newestKept = 3  // of its newest rounds, and of those whose number is a multiple of
	tens       = 10 // this
)

// Keeper decides what is kept, by a ledger.
type Keeper struct {
	ledger      *ledger.Ledger
	keepUpdates bool
	models      map[block.CID]bool // and states: needed, of all runs
}

// NewKeeper keeps, of each run, as many of the newest models as it is told, and with keepUpdates what went into models.
func NewKeeper(l *ledger.Ledger, newest int, keepUpdates bool) *Keeper {
	k := &Keeper{ledger: l, keepUpdates: keepUpdates, models: map[block.CID]bool{}}
	for _, r := range l.Runs() {
		k.need(r, l.Lineage(r), newest)
	}
	return k
}

// need notes the models of a run that are kept, given the commits that led to them.
func (k *Keeper) need(r *ledger.Run, lineage []ledger.CommitAt, newest int) {
	if r.Bounded {
		newest = max(newest, newestKept)
		for i, n := len(lineage)/tens*tens, 0; i > 0 && n < newestKept; i, n = i-tens, n+1 {
			k.add(lineage[i-1].Model, lineage[i-1].State)
		}
	}
	for _, c := range lineage[max(0, len(lineage)-newest):] {
		k.add(c.Model, c.State)
	}
	if k.keepUpdates || r.Spec.KeepUpdates {
		k.needBases(r)
	}
	k.models[r.Spec.Base] = true                // what the newest is compared with, also when the run is over
	k.models[r.Spec.Constants.Tensors()] = true // of all its models
	if best := r.Best(); best != nil {
		k.add(best.Model, best.State)
	}
	if r.Measurable() {
		k.add(r.Base, r.State)
	}
	if !r.Active() {
		return
	}
	k.add(r.Base, r.State)
	oldest := uint64(1) // round whose updates may still come in
	if late := r.Spec.LateRounds(); r.Round > late {
		oldest = r.Round - late
	}
	for i := oldest; i <= r.Round; i++ {
		if base, ok := r.BaseOf(i); ok {
			k.models[base] = true
		}
	}
}

// add notes a model and the outer step's state that was committed with it.
func (k *Keeper) add(model, state block.CID) {
	k.models[model] = true
	if state.Defined() {
		k.models[state] = true
	}
}

// needBases notes the models that updates which went into a model are measured against: late ones, and all of a run that
// combines changes.
func (k *Keeper) needBases(r *ledger.Run) {
	for _, c := range r.Commits {
		base, ok := r.BaseOf(c.Round)
		if ok && !r.Spec.Plain() {
			k.add(base, r.StateOf(c.Round))
		}
		for _, in := range r.Inputs(c.Sealed) {
			if ok && in.Base.Defined() {
				k.models[in.Base], k.models[base] = true, true
			}
		}
	}
}

// Keeps reports whether an artifact is still needed for a use.
func (k *Keeper) Keeps(m block.CID, u Use) bool {
	r := k.ledger.Run(u.Run)
	switch {
	case u.As == AsModel && r == nil:
		return true // the base of a run that is being opened
	case u.As == AsModel:
		return k.models[u.name(m)]
	case r == nil:
		return false
	case u.As == AsDraft:
		return r.Active() && u.Round == r.Round
	case r.Crosses(m):
		return true
	case counted(r, m, u.Round):
		return k.keepUpdates || r.Spec.KeepUpdates
	}
	return r.Active() && u.Round+r.Spec.LateRounds() >= r.Round
}

// KeepsUpdate reports whether an update that the machine forgets is kept all the same.
func (k *Keeper) KeepsUpdate(m block.CID, u Use) bool {
	r := k.ledger.Run(u.Run)
	return r != nil && (r.Crosses(m) || (k.keepUpdates || r.Spec.KeepUpdates) && counted(r, m, u.Round))
}

// counted reports whether an update that came in a round went into a committed model.
func counted(r *ledger.Run, m block.CID, came uint64) bool {
	for i := came; i <= came+r.Spec.LateRounds() && i >= 1 && i <= uint64(len(r.Commits)); i++ {
		for _, u := range r.Commits[i-1].Sealed.Updates {
			if u.Update.Update().Manifest == m {
				return true
			}
		}
	}
	return false
}
