package jobs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/yamlfile"
)

const (
	maxLook    = 8 << 20          // bytes of the manifests and layouts of a run, read before the site consents
	lookHourly = 16               // runs of one opener that are looked at in an hour
	lookWait   = 20 * time.Second // for a manifest, before the opener's other runs have their turn; then it is sought again
)

// looks are those at one opener's runs, one at a time, so that the opener has one budget of memory at each site.
type looks struct {
	turn sync.Mutex
	at   []time.Time // of the last hour
}

// errGone says that a run is not asked for any more, or is over.
var errGone = errors.New("the run is gone")

// wait waits; it reports whether the run is still there.
func (a *appraisals) wait(ctx context.Context, run block.CID, d time.Duration) bool {
	select {
	case <-time.After(d):
		return a.host.Seen().Live(run)
	case <-ctx.Done():
		return false
	}
}

// look returns how large the model of a run is.
func (a *appraisals) look(ctx context.Context, run block.CID, spec *ledger.RunSpec) (bytes uint64, err error) {
	a.mu.Lock()
	of := a.looks[spec.By]
	if of == nil {
		of = &looks{}
		a.looks[spec.By] = of
	}
	a.mu.Unlock()
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		bytes, err = of.look(func() (uint64, error) { return a.artifacts.look(ctx, run, spec) })
		if err == nil || ctx.Err() != nil || errors.Is(err, errUnusable) {
			return bytes, err
		}
		a.log.Debug("a run is looked at later", "run", run.Short(), "error", err)
		if !a.wait(ctx, run, wait) {
			return 0, errGone
		}
	}
}

// errOften says that an opener's runs were looked at often enough for now.
var errOften = fmt.Errorf("%d runs of that site were looked at in an hour", lookHourly)

// look takes one look, if another may be taken now.
func (l *looks) look(f func() (uint64, error)) (uint64, error) {
	l.turn.Lock()
	defer l.turn.Unlock()
	for len(l.at) > 0 && time.Since(l.at[0]) > time.Hour {
		l.at = l.at[1:]
	}
	if len(l.at) >= lookHourly {
		return 0, errOften
	}
	bytes, err := f()
	if err == nil || errors.Is(err, errUnusable) {
		l.at = append(l.at, time.Now())
	}
	return bytes, err
}

// look returns the bytes of the artifacts that a run begins with, by their manifests and layouts, of which it keeps nothing.
func (a *artifacts) look(ctx context.Context, run block.CID, spec *ledger.RunSpec) (bytes uint64, err error) {
	list := []runs.Fetch{{Run: run, Manifest: spec.Base, Layout: spec.Layout}}
	if tensors := spec.Constants.Tensors(); tensors.Defined() {
		list = append(list, runs.Fetch{Run: run, Manifest: tensors})
	}
	read := 0
	count := func(blocks ...block.Block) error {
		for _, b := range blocks {
			read += len(b.Data)
		}
		if read > maxLook {
			return fmt.Errorf("%w: its manifests and layouts have more than %s", errUnusable, yamlfile.Size(maxLook))
		}
		return nil
	}
	take := func(ctx context.Context, job runs.Fetch, layoutOf func(block.CID) (block.Block, error)) (block.Block, error) {
		manifest, layout, m, err := a.outline(ctx, job, layoutOf)
		if err != nil {
			return layout, err
		}
		bytes += m.Bytes
		return layout, count(manifest, layout)
	}
	for i, job := range list {
		ctx, cancel := context.WithTimeout(ctx, lookWait)
		layout, err := take(ctx, job, func(c block.CID) (block.Block, error) { return a.fetchBlock(ctx, c, job.Owner) })
		if state := spec.Strategy.State(); err == nil && i == 0 && state.Defined() {
			err = a.lookState(ctx, runs.Fetch{Run: run, Manifest: state, State: true}, layout, count, take)
		}
		cancel()
		if err != nil {
			return 0, err
		}
	}
	return bytes, nil
}

// lookState takes a look at the state of an earlier run that an outer step begins with.
func (a *artifacts) lookState(ctx context.Context, job runs.Fetch, model block.Block, count func(...block.Block) error,
	take func(context.Context, runs.Fetch, func(block.CID) (block.Block, error)) (block.Block, error)) error {
	b, s, err := a.stateBlock(ctx, job)
	if err != nil {
		return err
	}
	if err := count(b); err != nil {
		return err
	}
	l, err := tensor.DecodeLayout(model.Data)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnusable, err)
	}
	layout := reduction.StateLayout(l).Block()
	for _, slot := range slices.Sorted(maps.Keys(s.Slots)) {
		f := runs.Fetch{Run: job.Run, Manifest: s.Slots[slot], Layout: layout.CID, State: true}
		if _, err := take(ctx, f, func(block.CID) (block.Block, error) { return layout, nil }); err != nil {
			return err
		}
	}
	return nil
}
