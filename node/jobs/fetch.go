package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/node/index"
	"github.com/weft-mesh/weft/round/runs"
)

// fetching is a fetch under way.
type fetching struct {
	job    runs.Fetch
	cancel context.CancelFunc
	done   chan struct{}
	pace   *pace
}

// wanted is what is fetched once at a time: of two runs that mean one artifact with two layouts one is wrong.
type wanted struct {
	manifest, layout block.CID
	state            bool
	base             block.CID // of one update for rounds of two bases, each is measured
}

// endFetches ends the fetches of an artifact and returns them. The mutex is held.
func (j *Jobs) endFetches(manifest block.CID) (ending []*fetching) {
	for what, f := range j.fetching {
		if what.manifest == manifest {
			f.cancel()
			ending = append(ending, f)
		}
	}
	return ending
}

// fetch has an artifact fetched, unless that is under way. The mutex is held.
func (j *Jobs) fetch(job runs.Fetch) {
	what := wanted{job.Manifest, job.Layout, job.State, job.Base}
	if j.fetching[what] != nil || j.closed {
		return
	}
	ctx, cancel := context.WithCancel(j.ctx)
	f := &fetching{job, cancel, make(chan struct{}), &pace{}}
	ctx = context.WithValue(ctx, paced{}, f.pace)
	j.fetching[what] = f
	j.spawn(func() {
		defer cancel()
		invalid, err := j.Obtain(ctx, job)
		useless, norm := invalid != "", 0.0
		if err == nil && !useless && job.Base.Defined() {
			norm, invalid, err = j.artifacts.measure(ctx, job, j.log)
		}
		j.mu.Lock()
		delete(j.fetching, what)
		close(f.done)
		j.mu.Unlock()
		if useless { // one whose change is too long stays until the round is over: another site may have offered the same bytes
			j.drop(job)
		}
		if err == nil {
			j.report(runs.Fetched{Manifest: job.Manifest, Layout: job.Layout, State: job.State, Invalid: invalid, Base: job.Base, Norm: norm})
		}
	})
}

// Obtain tries until the artifact is held or found invalid; its error is that of ctx.
func (j *Jobs) Obtain(ctx context.Context, job runs.Fetch) (invalid string, err error) {
	if done := j.underway(job.Run); done != nil && job.Owner == "" {
		select { // what is being computed here is likely the very model
		case <-done:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	about := "fetch " + job.Manifest.String()
	defer j.problems.solved(about)
	paceOf(ctx).move()
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		err := j.artifacts.tryFetch(ctx, job)
		paceOf(ctx).missed(err)
		switch {
		case err == nil:
			return "", nil
		case ctx.Err() != nil:
			return "", ctx.Err()
		case errors.Is(err, errUnusable):
			return err.Error(), nil
		case errors.Is(err, errTooLarge):
			if wait == retryMin {
				j.log.Info("a model is not fetched", "run", job.Run.Short(), "reason", err)
			}
		case errors.Is(err, blockstore.ErrFull):
			j.problems.set(about, "no room to fetch "+j.describe(job)+": "+err.Error(), "free some disk space, or keep fewer models (keep_models); weft run decline gives up the run")
		}
		j.log.Debug("fetch goes on later", "artifact", job.Manifest, "error", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

func (j *Jobs) describe(job runs.Fetch) string {
	switch {
	case job.State:
		return "an outer step's state" + ofRun(j.host.Seen(), job.Run)
	case !trained(job):
		return "the constants" + ofRun(j.host.Seen(), job.Run)
	case job.Owner == "":
		return "a model" + ofRun(j.host.Seen(), job.Run)
	}
	return "the update of " + j.host.Seen().SiteName(job.Owner) + ofRun(j.host.Seen(), job.Run)
}

// ofRun says of which run something is, and who has opened it.
func ofRun(seen Seen, run block.CID) string {
	spec := seen.Spec(run)
	if spec == nil {
		return ""
	}
	return fmt.Sprintf(" of run %s, which %s has opened", spec.Name, seen.SiteName(spec.By))
}

// WentBad has the machine know that an artifact is no longer whole, and fetches a model or state again that this site keeps, also
// if the machine has no need of it.
func (j *Jobs) WentBad(manifest block.CID) {
	uses := j.artifacts.index.Uses(manifest)
	j.report(runs.Lost{Manifest: manifest})
	for _, u := range uses {
		if u.Of.Defined() {
			j.report(runs.Lost{Manifest: u.Of})
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, u := range uses {
		if spec := j.host.Seen().Spec(u.Run); spec != nil && u.As == index.AsModel {
			f := runs.Fetch{Run: u.Run, Manifest: manifest, Layout: spec.Layout}
			switch {
			case u.Of.Defined():
				f.Manifest, f.State = u.Of, true
			case manifest == spec.Constants.Tensors():
				f.Layout = block.CID{}
			}
			j.fetch(f)
		}
	}
}

// StateWentBad is WentBad for the block of an outer step's state, whose slots are whole.
func (j *Jobs) StateWentBad(name block.CID) {
	j.report(runs.Lost{Manifest: name})
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, run := range j.artifacts.index.RunsOf(name) {
		if spec := j.host.Seen().Spec(run); spec != nil {
			j.fetch(runs.Fetch{Run: run, Manifest: name, Layout: spec.Layout, State: true})
		}
	}
}

// Compare fetches the manifest of another model and says in which shards it differs from one's own.
func (j *Jobs) Compare(job runs.Fetch, own blockstore.Manifest, say func(where string)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.spawn(func() {
		ctx, cancel := context.WithTimeout(j.ctx, divergeWait)
		defer cancel()
		_, theirs, err := j.artifacts.fetchManifest(ctx, job)
		if err != nil {
			if j.ctx.Err() == nil {
				say(fmt.Sprintf("its manifest did not come (%v)", err))
			}
			return
		}
		say(blockstore.Difference(own, theirs, j.artifacts.layout(ctx, job)))
	})
}
