package node

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/runs"
	"github.com/weft-mesh/weft/train"
)

// jobs runs what the machine asks for. start is called by the loop and never waits; every job ends as
// an event in the machine's queue. A job that is asked for again while it runs is left to run.
type jobs struct {
	n   *Node
	log *slog.Logger

	ctx    context.Context // ends with run
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	trainer chan struct{}           // holds a token while the trainer works: it does one task at a time
	bases   map[block.CID]evaluated // the newest of each run, for who has the token
	keep    sync.Mutex              // held while an artifact gets a use, or is removed for having none

	mu         sync.Mutex
	closed     bool
	training   map[block.CID]*training     // by run
	evaluating map[chan struct{}]block.CID // models that the operator wants measured; closed when they are
	fetching   map[wanted]*fetching
	reducing   map[block.CID]*reducing       // by seal
	pending    map[block.CID]*ledger.RunSpec // runs that wait for the operator
	accepted   map[block.CID]bool            // runs whose answer by policy is on its way, or has come
	problems   map[string]problem            // what keeps a job from ending, by what it is about
}

func newJobs(n *Node) *jobs {
	j := &jobs{
		n: n, log: n.log, trainer: make(chan struct{}, 1), bases: map[block.CID]evaluated{},
		training: map[block.CID]*training{}, evaluating: map[chan struct{}]block.CID{}, fetching: map[wanted]*fetching{}, reducing: map[block.CID]*reducing{},
		pending: map[block.CID]*ledger.RunSpec{}, accepted: map[block.CID]bool{}, problems: map[string]problem{},
	}
	j.ctx, j.cancel = context.WithCancelCause(context.Background())
	return j
}

// run waits for ctx, then ends all jobs and waits for them.
func (j *jobs) run(ctx context.Context) error {
	<-ctx.Done()
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	j.cancel(train.ErrClosed) // a trainer may save what it has: its task comes again
	j.wg.Wait()
	return nil
}

// spawn runs f in a goroutine unless the node ends; the mutex is held.
func (j *jobs) spawn(f func()) {
	if !j.closed {
		j.wg.Go(f)
	}
}

// start begins a job.
func (j *jobs) start(job runs.Job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch job := job.(type) {
	case runs.Consider:
		j.consider(job)
	case runs.Train:
		j.train(job)
	case runs.StopTrain:
		j.stopTrain(job.Run)
	case runs.Fetch:
		j.fetch(job)
	case runs.Forget:
		j.forget(job)
	case runs.Reduce:
		j.reduce(job)
	}
}

// report tells the machine how a job ended.
func (j *jobs) report(ev round.Event) { j.n.deliver(j.ctx, ev) }

// consider answers by the site's policy, or leaves the run to the operator.
func (j *jobs) consider(job runs.Consider) {
	own := job.Spec.By == j.n.home.ID
	if why := j.n.opt.Knows.unknown(j.n.machine.Ledger().Run(job.Run)); why != "" { // start runs on the loop's goroutine
		j.log.Warn("a run is declined, as this weft does not know what it asks for", "run", job.Run.Short(), "name", job.Spec.Name, "reason", why)
		j.spawn(func() { j.report(runs.Considered{Run: job.Run}) })
		return
	}
	accept, known := j.n.home.Config.Accept.decide(job.Spec, j.n.siteName(job.Spec.By), own)
	if !known {
		j.pending[job.Run] = job.Spec
		j.log.Info("a run waits for your consent", "run", job.Run.Short(), "name", job.Spec.Name, "from", j.n.siteName(job.Spec.By))
		return
	}
	j.accepted[job.Run] = accept
	j.spawn(func() { j.report(runs.Considered{Run: job.Run, Accept: accept}) })
}

// forget ends an artifact's fetch and removes an update that is not kept. Models are removed by policy.
func (j *jobs) forget(job runs.Forget) {
	j.endFetches(job.Manifest)
	k := newKeeper(j.n.machine.Ledger(), j.n.home.Config) // start runs on the loop's goroutine
	unused := j.n.index.remove(func(m block.CID, u use) bool {
		switch {
		case m != job.Manifest || u.Run != job.Run:
			return false
		case job.Update:
			return u.As == asUpdate && !k.keepsUpdate(m, u)
		}
		return u.As == asDraft || !k.keeps(m, u)
	})
	for _, m := range unused {
		j.discardLocked(m)
	}
}

// drop ends a use of an artifact, and removes it if that was the last.
func (j *jobs) drop(manifest block.CID, gone use) {
	for _, m := range j.n.index.remove(func(m block.CID, u use) bool { return m == manifest && u == gone }) {
		j.discard(m)
	}
}

// discard removes an artifact from the store once its fetches and the trainings from it have ended, unless
// it has got a new use.
func (j *jobs) discard(manifest block.CID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.discardLocked(manifest)
}

func (j *jobs) discardLocked(manifest block.CID) {
	fetches := j.endFetches(manifest)
	j.spawn(func() {
		for _, f := range fetches {
			<-f.done
		}
		j.keep.Lock()
		defer j.keep.Unlock()
		for done := j.usedBy(manifest); done != nil; done = j.usedBy(manifest) {
			j.keep.Unlock()
			<-done
			j.keep.Lock()
		}
		if len(j.n.index.usesOf(manifest)) > 0 {
			return
		}
		if err := j.n.store.DeleteArtifact(manifest); err != nil {
			j.log.Warn("an artifact is not removed; it is at the next start", "artifact", manifest, "error", err)
			return
		}
		j.report(runs.Lost{Manifest: manifest})
	})
}

// usedBy returns the end of something that reads an artifact, nil if nothing does.
func (j *jobs) usedBy(manifest block.CID) <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, t := range j.training { // a late update counts too, and a trainer reads its base when it likes
		if t.job.Base == manifest || t.job.From == manifest {
			return t.done
		}
	}
	for end, of := range j.evaluating {
		if of == manifest {
			return end
		}
	}
	return nil
}

// evaluates keeps an artifact in the store until done is called, if it is there.
func (j *jobs) evaluates(manifest block.CID) (done func(), held bool) {
	j.keep.Lock() // so that it is not just being removed
	defer j.keep.Unlock()
	held = j.n.holds(manifest)
	j.mu.Lock()
	defer j.mu.Unlock()
	end := make(chan struct{})
	j.evaluating[end] = manifest
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		delete(j.evaluating, end)
		close(end)
	}, held
}

// setProblem notes what goes wrong, or with an empty text that it goes well again.
func (j *jobs) setProblem(about, text, hint string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if text == "" {
		delete(j.problems, about)
	} else {
		j.problems[about] = problem{text, hint}
	}
}

// problem returns what goes wrong at the moment, if anything.
func (j *jobs) problem() (p problem) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, about := range slices.Sorted(maps.Keys(j.problems)) {
		return j.problems[about]
	}
	return p
}

// standing returns a run's training, nil if there is none, and whether the answer on the run is still to come.
func (j *jobs) standing(run block.CID) (t *training, open bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.training[run], j.pending[run] != nil || j.accepted[run]
}

// waiting returns the open runs that wait for the operator, in the order of their opening.
func (j *jobs) waiting(l *ledger.Ledger) (list []PendingRun) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range l.Runs() {
		if j.pending[r.ID] != nil && r.Active() {
			list = append(list, PendingRun{Run: r.ID, Spec: r.Spec})
		}
	}
	return list
}

// answered notes that the operator has answered on a run.
func (j *jobs) answered(run block.CID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.pending, run)
	delete(j.accepted, run)
}
