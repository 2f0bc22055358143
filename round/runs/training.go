package runs

import (
	"slices"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// Training is what a site's training in a run does. It may belong to an earlier round than the open one.
type Training uint8

const (
	Idle    Training = iota // nothing is trained
	Trains                  // a training is under way
	Waiting                 // a training has failed, or the site has skipped the round: it may be tried again after a while
	Offered                 // the update of the opening is announced
)

func (t Training) String() string {
	return [...]string{"idle", "trains", "waiting", "offered"}[t]
}

// TrainingEvent moves a [Training].
type TrainingEvent uint8

const (
	Start  TrainingEvent = iota // a training begins
	Offer                       // it has ended, and its update is announced
	Refuse                      // it has ended, and its update cannot count
	Fail                        // it has failed, or skips the round
	Halt                        // it is stopped
	Reopen                      // the round is open anew, or the next one is
)

func (e TrainingEvent) String() string {
	return [...]string{"start", "offer", "refuse", "fail", "halt", "reopen"}[e]
}

// TrainingTable says how a training moves. docs/architecture.md shows it.
var TrainingTable = map[Training]map[TrainingEvent]Training{
	Idle:    {Start: Trains, Reopen: Idle},
	Trains:  {Offer: Offered, Refuse: Idle, Fail: Waiting, Halt: Idle, Reopen: Trains}, // it goes on if its update may count late
	Waiting: {Start: Trains, Reopen: Idle},
	Offered: {Start: Trains, Reopen: Idle}, // once more, on from the update, while too few are in
}

// training is this site's training in a run.
type training struct {
	region[Training, TrainingEvent]
	job   *Train        // under way
	retry time.Duration // when another may be tried; 0: at once
	last  time.Duration // that was waited after a failure
}

func newTraining(strict bool) training {
	return training{region: region[Training, TrainingEvent]{table: TrainingTable, strict: strict}}
}

func (t *training) begin(job Train) {
	t.on(Start)
	t.job = &job
}

// end takes the job that is under way, if it is for that opening.
func (t *training) end(opened uint64) *Train {
	if t.job == nil || t.job.Opened != opened {
		return nil
	}
	job := t.job
	t.job = nil
	return job
}

// halt ends a training that is under way, and reports whether there was one.
func (t *training) halt() bool {
	if t.job == nil {
		return false
	}
	t.on(Halt)
	t.job = nil
	return true
}

// succeeded forgets how long the last failure had to wait.
func (t *training) succeeded() { t.last = 0 }

// failed has the training tried again after a while, twice as long each time.
func (t *training) failed(now, least time.Duration) {
	t.last = max(least, 2*t.last)
	t.wait(now + min(t.last, 5*time.Minute))
}

// wait ends a training without an update: another is not tried before that time.
func (t *training) wait(until time.Duration) {
	t.on(Fail)
	t.retry = until
}

func (t *training) reopen() {
	t.on(Reopen)
	t.retry, t.last = 0, 0
}

// train starts this site's training of the round, unless it has offered an update already or one
// is under way that the run's policy lets finish.
func (p *state) train(r *ledger.Run, latest *ledger.SealAt, ready bool) {
	if t := p.training.job; t != nil {
		if mayFinish(p, t, r, latest) {
			return
		}
		p.training.halt()
		p.Out.Start(StopTrain{r.ID})
	}
	if !ready || latest != nil || p.now() < p.training.retry {
		return
	}
	self := p.offers.of(p.Self)
	own := self.offer(r.Opened)
	if own != nil {
		if at, ok := p.trainOn(own); !ok || p.now() < at || p.offers.coming(r.Opened, p.Sites.Reaches) >= r.Spec.Needed(p.roster()) {
			return
		}
	} else if self.skips(r.Opened) && (p.phase.at == Enough || p.now() < p.pace.openedAt[r.Opened]+skipPatience && p.offers.awaits(p.Sites.Reaches)) {
		return
	}
	next := Train{Run: r.ID, Spec: r.Spec, Round: r.Round, Opened: r.Opened, Attempt: 1, Base: r.Base, Bounded: r.Bounded, Unmeasured: !r.Terms.Measures(r.Round-1, false)}
	if own != nil {
		next.Attempt = own.Attempt + 1
		if own.held {
			next.From = own.Manifest
		}
	}
	if bell, boxed := p.pace.bell(r); boxed {
		next.Left = bell.left(p.now())
	}
	p.training.begin(next)
	p.Out.Start(next)
	p.Out.Trace(trace.TrainingStarted{Subject: trace.In(r.ID, r.Round), Attempt: next.Attempt, Attempts: r.Spec.Attempts})
}

// stopTraining ends a training that is under way.
func (p *state) stopTraining() {
	if p.training.halt() {
		p.Out.Start(StopTrain{p.run.ID})
	}
}

// mayFinish reports whether a training under way can still yield an update that counts.
func mayFinish(p *state, t *Train, r *ledger.Run, latest *ledger.SealAt) bool {
	late := r.Spec.LateRounds() > 0 && !p.Ledger.JoinedAfter(p.Self, t.Opened)
	if t.Opened == r.Opened && (latest == nil || late && !slices.Contains(latest.Contributors(), p.Self)) {
		return true
	}
	stale := r.Round - t.Round
	return late && stale > 0 && stale <= r.Spec.LateRounds() && t.Round > r.Counted[p.Self]
}

// trainOn returns when a site whose update is out trains on from it, if too few updates are in for a seal
// or on their way then: after as long as the update took, up to the run's attempts. An update that its own
// site has lost, and in a while has found nowhere, is trained anew, in a place of its own.
func (p *state) trainOn(own *update) (time.Duration, bool) {
	r := p.run
	switch {
	case r.Latest() != nil || p.phase.at == Enough:
		return 0, false
	case !own.held:
		return own.at + p.Timing.Unavailable, own.Attempt < ledger.MaxAttempts
	case own.Attempt >= r.Spec.Attempts:
		return 0, false
	}
	return own.at + max(own.at-p.pace.openedAt[r.Opened], p.Timing.Deadline), true
}

// trainFailed takes the failure of a training that is no longer under way.
func (p *state) trainFailed(e TrainFailed) {
	p.Out.Trace(trace.TrainingFailed{Subject: trace.In(e.Run, e.Round), Why: e.Err})
	p.training.failed(p.now(), p.Timing.Retry)
	p.touch()
}

func (p *state) forget(manifest block.CID) {
	p.Out.Start(Forget{Run: p.run.ID, Manifest: manifest, Update: true})
}
