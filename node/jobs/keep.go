package jobs

import (
	"math"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/index"
	"github.com/weft-mesh/weft/round/runs"
)

// forget ends an artifact's fetch and removes an update that is not kept. Models are removed by policy.
func (j *Jobs) forget(l *ledger.Ledger, job runs.Forget) {
	if ending := j.endFetches(job.Manifest); len(ending) > 0 {
		j.spawn(func() {
			for _, f := range ending {
				<-f.done
			}
			j.report(runs.Lost{Manifest: job.Manifest}) // whoever else counts on that fetch asks again
		})
	}
	k := j.keeper(l)
	j.removeLocked(func(m block.CID, u index.Use) bool {
		switch {
		case m != job.Manifest && u.Of != job.Manifest || u.Run != job.Run:
			return false
		case job.Update:
			return u.As == index.AsUpdate && !k.KeepsUpdate(m, u)
		}
		return u.As == index.AsDraft || !k.Keeps(m, u) || l.Run(u.Run) == nil // the last: the base of a run that is given up
	})
}

// keeper decides what this site keeps.
func (j *Jobs) keeper(l *ledger.Ledger) *index.Keeper {
	c := j.site.Now()
	return index.NewKeeper(l, int(min(c.KeepModels, math.MaxInt32)), c.KeepUpdates)
}

// Tidy removes the artifacts that nothing needs any more, and the trainer's folders of runs that are over.
func (j *Jobs) Tidy(l *ledger.Ledger) {
	j.forgetStates(l)
	k := j.keeper(l)
	j.remove(func(m block.CID, u index.Use) bool { return !k.Keeps(m, u) })
}

// forgetStates removes the folders of runs that are over, once the trainer has no task.
func (j *Jobs) forgetStates(l *ledger.Ledger) {
	for _, run := range j.desk.states.over(l) {
		j.mu.Lock()
		j.spawn(func() {
			leave, err := j.desk.turns.take(j.ctx, run, 0)
			if err != nil {
				return // it is removed at the next start
			}
			defer leave()
			j.desk.over(run)
			if err := j.desk.states.remove(run); err != nil {
				j.log.Warn("the trainer's folder of a run that is over is not removed; it is at the next start", "run", run.Short(), "error", err)
			}
		})
		j.mu.Unlock()
	}
}

// Drop ends a use of an artifact, and removes it if that was the last.
func (j *Jobs) Drop(manifest block.CID, gone index.Use) {
	j.remove(func(m block.CID, u index.Use) bool { return m == manifest && u == gone })
}

// drop ends the use of what was fetched and found unusable.
func (j *Jobs) drop(f runs.Fetch) {
	if f.State {
		j.remove(func(_ block.CID, u index.Use) bool { return u.Run == f.Run && u.Of == f.Manifest })
		return
	}
	j.Drop(f.Manifest, j.artifacts.useOf(f))
}

// remove ends uses, and removes from the store what has none left.
func (j *Jobs) remove(gone func(manifest block.CID, u index.Use) bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.removeLocked(gone)
}

func (j *Jobs) removeLocked(gone func(manifest block.CID, u index.Use) bool) {
	unused, states := j.artifacts.index.Remove(gone)
	var ending []*fetching // of states: they write the slots
	for _, name := range states {
		ending = append(ending, j.endFetches(name)...)
	}
	for _, m := range unused {
		j.discard(m, ending...)
	}
	for _, name := range states {
		j.discardState(name, ending)
	}
}

// discardState removes a state's block from the store once its fetches have ended, unless it has got a slot again. The mutex
// is held.
func (j *Jobs) discardState(name block.CID, ending []*fetching) {
	j.spawn(func() {
		for _, f := range ending {
			<-f.done
		}
		if err := j.artifacts.dropState(name); err != nil {
			j.log.Warn("the block of an outer step's state is not removed", "state", name, "error", err)
		}
		j.report(runs.Lost{Manifest: name})
	})
}

// discard removes an artifact from the store once its fetches and the trainings from it have ended, unless
// it has got a new use; other fetches that write it are named. The mutex is held.
func (j *Jobs) discard(manifest block.CID, also ...*fetching) {
	fetches := append(j.endFetches(manifest), also...)
	j.spawn(func() {
		for _, f := range fetches {
			<-f.done
		}
		j.artifacts.keep.Lock()
		defer j.artifacts.keep.Unlock()
		for done := j.usedBy(manifest); done != nil; done = j.usedBy(manifest) {
			j.artifacts.keep.Unlock()
			<-done
			j.artifacts.keep.Lock()
		}
		if len(j.artifacts.index.Uses(manifest)) > 0 {
			return
		}
		if err := j.artifacts.store.DeleteArtifact(manifest); err != nil {
			j.log.Warn("an artifact is not removed; it is at the next start", "artifact", manifest, "error", err)
			return
		}
		j.report(runs.Lost{Manifest: manifest})
	})
}

// usedBy returns the end of something that reads an artifact, nil if nothing does.
func (j *Jobs) usedBy(manifest block.CID) <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, t := range j.training { // a late update counts too, and a trainer reads its base when it likes
		if t.job.Base == manifest || t.job.From == manifest {
			return t.done
		}
	}
	return j.artifacts.readBy(manifest)
}
