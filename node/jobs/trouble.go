package jobs

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/ledger"
)

// stalled is how long nothing comes of a fetch before that is a trouble.
const stalled = 30 * time.Second

// pace is how a fetch gets on.
type pace struct {
	moved atomic.Int64 // when a block came last, in nanoseconds; before that, when it was begun; 0: it waits for a model to be computed here
	full  atomic.Bool  // the last attempt has failed for want of room
}

func (p *pace) move() {
	if p != nil {
		p.moved.Store(time.Now().UnixNano())
	}
}

func (p *pace) missed(err error) {
	if p != nil {
		p.full.Store(errors.Is(err, blockstore.ErrFull))
	}
}

func (p *pace) stalls(now time.Time) bool {
	at := p.moved.Load()
	return at > 0 && now.Sub(time.Unix(0, at)) > stalled
}

// paced is the key of a fetch's pace in its context: what brings its blocks serves other readers too.
type paced struct{}

// paceOf returns the pace of the fetch that a context is of, nil if it is of none.
func paceOf(ctx context.Context) *pace {
	p, _ := ctx.Value(paced{}).(*pace)
	return p
}

// Troubles returns what goes wrong in a run's jobs, ascending, and how the last training has failed, if it has.
func (j *Jobs) Troubles(run block.CID) (list []ledger.TroubleClass, training string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	full, stalls := false, false
	for _, f := range j.fetching {
		if f.job.Run == run {
			full = full || f.pace.full.Load()
			stalls = stalls || !f.pace.full.Load() && f.pace.stalls(time.Now())
		}
	}
	if full {
		list = append(list, ledger.DiskFull)
	}
	if stalls {
		list = append(list, ledger.CannotFetch)
	}
	p, failed := j.failures[run]
	if failed {
		list = append(list, ledger.TrainingFails)
	}
	return list, p.Text
}
