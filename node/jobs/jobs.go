package jobs

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/exchange"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/index"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/node/steps"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/train"
)

// Limits of what jobs wait for.
const (
	retryMin       = 250 * time.Millisecond // before a failed fetch is tried again; doubles
	retryMax       = 30 * time.Second
	divergeWait    = time.Minute      // for the manifest of a model that differs
	trainerSilence = 10 * time.Minute // of a trainer with a task, before the log warns; an epoch without a word is shorter
)

// Host is the node as its jobs see it. Its methods may be called from any goroutine.
type Host interface {
	Deliver(ctx context.Context, ev round.Event) bool            // queues an event for the machine; false: the node ends
	Seen() Seen                                                  // where the machine stood after its last step
	Providers(ctx context.Context, first peer.ID) <-chan peer.ID // sites that may have what is fetched, until ctx ends
	WentBad(ctx context.Context, err error)                      // notes what is damaged in the store
}

// Seen is where the machine stood after a step.
type Seen interface {
	Round(run block.CID) uint64                      // a run's current one
	Counted(run block.CID) uint64                    // the newest round in which an update of this site counted, 0 before that
	Seal(run block.CID) block.CID                    // the latest of a run's current round
	Spec(run block.CID) *ledger.RunSpec              // nil: the ledger does not know the run
	Live(run block.CID) bool                         // it is asked for, or goes on
	Asks(run block.CID) bool                         // it is asked for before it is opened, or was
	Ahead(run block.CID, opener peer.ID) []block.CID // runs of its opener that come before it: those in which this site takes part, and those asked for earlier
	Sites() int
	Over() []block.CID // runs in which the trainer has nothing to do any more
	SiteName(id peer.ID) string
}

// Blocks is the exchange of blocks with other sites.
type Blocks interface {
	Fetch(ctx context.Context, r exchange.Request) (exchange.FetchStats, error)
	Added(cids ...block.CID)
}

// Config is what jobs work with.
type Config struct {
	Self     peer.ID
	Site     *config.Live
	TaskDir  string // for folders of tasks
	StateDir string // for folders of runs
	Store    *blockstore.Disk
	Index    *index.Index
	Blocks   Blocks
	Trainer  train.Trainer
	Knows    reduction.Knows // which runs this program can take part in
	Steps    *steps.Log      // where the curves of trainings go
	Host     Host
	Log      *slog.Logger
	Spoil    func(shard int, data []byte) // for tests: what a broken machine does to a model that it computes; nil: nothing
}

// Jobs runs what the machine asks for. Start never waits; every job ends as an event in the machine's queue. A job that
// is asked for again while it runs is left to run.
type Jobs struct {
	host       Host
	self       peer.ID
	site       *config.Live
	log        *slog.Logger
	spoil      func(shard int, data []byte)
	knows      reduction.Knows
	artifacts  *artifacts
	desk       *desk
	answers    *answers
	problems   *problems
	appraisals *appraisals

	ctx    context.Context // ends with Run
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	mu         sync.Mutex
	closed     bool
	training   map[block.CID]*training      // by run
	failures   map[block.CID]Problem        // how the last training of a run failed
	unmeasured map[block.CID]Problem        // how the last evaluation of a run's base failed
	handed     map[block.CID][]train.Result // updates that the machine has not noted yet, by manifest
	fetching   map[wanted]*fetching
	reducing   map[block.CID]*reducing // by seal
}

// New returns jobs; none is begun.
func New(c Config) (*Jobs, error) {
	states, err := openStates(c.StateDir)
	if err != nil {
		return nil, err
	}
	a := &artifacts{store: c.Store, index: c.Index, blocks: c.Blocks, host: c.Host, site: c.Site, reading: map[chan struct{}]block.CID{}, intakes: map[chan struct{}]bool{}}
	j := &Jobs{
		host: c.Host, self: c.Self, site: c.Site, log: c.Log, spoil: c.Spoil, knows: c.Knows,
		artifacts: a, desk: newDesk(c, a, states), answers: newAnswers(), problems: newProblems(),
		training: map[block.CID]*training{}, failures: map[block.CID]Problem{}, unmeasured: map[block.CID]Problem{}, handed: map[block.CID][]train.Result{},
		fetching: map[wanted]*fetching{}, reducing: map[block.CID]*reducing{},
	}
	j.appraisals = newAppraisals(c, a, j.answers)
	j.ctx, j.cancel = context.WithCancelCause(context.Background())
	return j, nil
}

// Run waits for ctx, then ends all jobs and waits for them.
func (j *Jobs) Run(ctx context.Context) error {
	<-ctx.Done()
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	j.cancel(train.ErrClosed) // a trainer may save what it has: its task comes again
	j.wg.Wait()
	return nil
}

// spawn runs f in a goroutine unless the node ends; the mutex is held.
func (j *Jobs) spawn(f func()) {
	if !j.closed {
		j.wg.Go(f)
	}
}

// Start begins a job that the machine asks for. The ledger is the machine's, so that nobody but the loop, which may
// read it, can call this.
func (j *Jobs) Start(l *ledger.Ledger, job runs.Job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch job := job.(type) {
	case runs.Consider:
		j.consider(job.Run, job.Spec, l.Run(job.Run).Unknown)
	case runs.Weigh:
		j.consider(job.Run, job.Spec, job.Unknown)
	case runs.Train:
		j.train(job)
	case runs.StopTrain:
		j.stopTrain(job.Run)
	case runs.Fetch:
		j.fetch(job)
	case runs.Forget:
		j.forget(l, job)
	case runs.Reduce:
		j.reduce(l, job)
	case runs.Measure:
		j.measure(job)
	}
}

// report tells the machine how a job ended.
func (j *Jobs) report(ev round.Event) { j.host.Deliver(j.ctx, ev) }

// consider answers by the site's policy, or leaves the run to the operator.
func (j *Jobs) consider(run block.CID, spec *ledger.RunSpec, unknown []string) {
	if j.appraisals.begin(run) {
		j.spawn(func() { j.appraisals.decide(j.ctx, run, spec, unknown) })
	}
}
