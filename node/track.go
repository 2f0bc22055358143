package node

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/trace"
)

// tracker follows the trace to say in which phase each run is, and how long each phase took. It
// belongs to the loop.
type tracker struct {
	runs     map[block.CID]*track
	troubles *api.TroubleLog
	mute     bool   // the log was lost, or a part of it, and the site does not vote yet
	twin     bool   // it has heard votes of its own key that it did not sign, well after its start
	trouble  string // what the operator should know for good, until a restart
}

// track is a run's current round and what was measured of those before.
type track struct {
	round  uint64
	phase  api.Phase
	began  time.Time // of the round here; zero if that was before the start
	since  time.Time // of the phase
	phases map[api.Phase]time.Duration
	held   map[peer.ID]bool // whose updates of this opening are held
	past   map[uint64]measured
}

// measured is how long a round took here.
type measured struct {
	took   time.Duration
	phases map[api.Phase]time.Duration
}

// newTracker begins with the ledger of the log, and with the events of the site's lives before.
func newTracker(l *ledger.Ledger, earlier []api.Event, mute bool) *tracker {
	t := &tracker{runs: map[block.CID]*track{}, troubles: api.NewTroubleLog(), mute: mute}
	for _, e := range earlier {
		t.troubles.See(e.Event)
	}
	for _, r := range l.Runs() {
		if k := t.open(r.ID, r.Round); r.Latest() != nil {
			k.enter(api.PhaseReducing, time.Time{})
		}
	}
	return t
}

// open turns to a round; one that this site sees open is started afterwards, and so measured.
func (t *tracker) open(run block.CID, number uint64) *track {
	k := t.runs[run]
	if k == nil {
		k = &track{past: map[uint64]measured{}}
		t.runs[run] = k
	}
	k.turn(number)
	return k
}

// turn begins with a round.
func (k *track) turn(number uint64) {
	k.round, k.phase, k.began, k.since = number, api.PhaseWaiting, time.Time{}, time.Time{}
	k.phases, k.held = map[api.Phase]time.Duration{}, map[peer.ID]bool{}
}

// enter turns to a phase.
func (k *track) enter(p api.Phase, now time.Time) {
	if k.phase == p {
		return
	}
	if !k.since.IsZero() {
		k.phases[k.phase] += now.Sub(k.since)
	}
	k.phase, k.since = p, now
}

// see takes an event of the machine.
func (t *tracker) see(l *ledger.Ledger, e trace.Event, now time.Time) {
	t.troubles.See(e)
	switch e := e.(type) {
	case trace.Decided:
		t.decided(l, l.At(e.Height).Entry, now)
	case trace.FallsSilent:
		t.mute, t.twin = true, e.Late
	case trace.VotesAgain:
		t.mute, t.twin = false, false
	case trace.Forked:
		t.trouble = "the ledger has forked: " + e.Why
	default:
		if k := t.runs[e.About().Run]; k != nil {
			k.see(e, now)
		}
	}
}

// see takes an event of the run's current round.
func (k *track) see(e trace.Event, now time.Time) {
	switch e := e.(type) {
	case trace.TrainingStarted:
		k.enter(api.PhaseTraining, now)
	case trace.Announced:
		k.enter(api.PhaseAnnouncing, now)
	case trace.Held:
		if e.Round == k.round {
			k.held[e.Site] = true
		}
	case trace.Ready:
		if e.Decision.Kind == "seal" && k.phase == api.PhaseAnnouncing {
			k.enter(api.PhaseSealing, now)
		}
	case trace.Reduced:
		k.enter(api.PhaseCommitting, now)
	}
}

// decided turns to what an entry has decided.
func (t *tracker) decided(l *ledger.Ledger, e *ledger.Entry, now time.Time) {
	r := l.Run(e.Run())
	if r == nil {
		return // of the roster
	}
	k := t.runs[r.ID]
	switch b := e.Body.(type) {
	case *ledger.Open:
		t.open(r.ID, 1).start(now)
	case *ledger.Seal:
		k.enter(api.PhaseReducing, now)
	case *ledger.Void:
		t.open(r.ID, b.Round).start(now)
	case *ledger.Commit:
		k.done(b.Round, now)
		t.open(r.ID, b.Round+1).start(now)
	}
}

func (k *track) start(now time.Time) { k.began, k.since = now, now }

// done ends a round, and keeps how long it took here if its beginning was seen.
func (k *track) done(round uint64, now time.Time) {
	k.enter(api.PhaseDone, now)
	if !k.began.IsZero() {
		k.past[round] = measured{now.Sub(k.began), k.phases}
	}
}

// troubled notes what the operator should know for good.
func (t *tracker) troubled(text string) { t.trouble = text }
