package node

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/trace"
)

// tracker follows the trace to say in which phase each run is, and how long each phase took. It
// belongs to the loop.
type tracker struct {
	runs    map[block.CID]*track
	mute    bool   // the log was lost, and the site does not vote yet
	trouble string // what the operator should know for good, until a restart
}

// track is a run's current round and what was measured of those before.
type track struct {
	round  uint64
	phase  Phase
	began  time.Time // of the round here; zero if that was before the start
	since  time.Time // of the phase
	phases map[Phase]time.Duration
	held   map[peer.ID]bool // whose updates of this opening are held
	past   map[uint64]measured
}

// measured is how long a round took here.
type measured struct {
	took   time.Duration
	phases map[Phase]time.Duration
}

func newTracker(l *ledger.Ledger, mute bool) *tracker {
	t := &tracker{runs: map[block.CID]*track{}, mute: mute}
	for _, r := range l.Runs() {
		if k := t.open(r.ID, r.Round); r.Latest() != nil {
			k.phase = PhaseReducing
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
	k.round, k.phase, k.began, k.since = number, PhaseWaiting, time.Time{}, time.Time{}
	k.phases, k.held = map[Phase]time.Duration{}, map[peer.ID]bool{}
	return k
}

// enter turns to a phase.
func (k *track) enter(p Phase, now time.Time) {
	if k.phase == p {
		return
	}
	if !k.since.IsZero() {
		k.phases[k.phase] += now.Sub(k.since)
	}
	k.phase, k.since = p, now
}

// see takes one line of the machine's trace.
func (t *tracker) see(l *ledger.Ledger, tr trace.Step, now time.Time) {
	switch tr.Event {
	case "decide":
		t.decided(l, l.At(tr.Height).Entry, now)
	case "votes again":
		t.mute = false
	case "fork":
		t.trouble = "the ledger has forked: " + tr.Text
	default:
		if k := t.runs[tr.Run]; k != nil {
			k.see(tr, now)
		}
	}
}

// see takes a line that is about the run's current round.
func (k *track) see(tr trace.Step, now time.Time) {
	switch tr.Event {
	case "train":
		k.enter(PhaseTraining, now)
	case "announce":
		k.enter(PhaseAnnouncing, now)
	case "holds":
		if tr.Round == k.round {
			k.held[tr.Site] = true
		}
	case "ready":
		if tr.Kind == "seal" && k.phase == PhaseAnnouncing {
			k.enter(PhaseSealing, now)
		}
	case "reduced":
		k.enter(PhaseCommitting, now)
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
		k.enter(PhaseReducing, now)
	case *ledger.Void:
		t.open(r.ID, b.Round).start(now)
	case *ledger.Commit:
		k.enter(PhaseDone, now)
		if !k.began.IsZero() {
			k.past[b.Round] = measured{now.Sub(k.began), k.phases}
		}
		t.open(r.ID, b.Round+1).start(now)
	}
}

func (k *track) start(now time.Time) { k.began, k.since = now, now }

// track shows the tracker what the machine has done.
func (n *Node) track(w round.Work) {
	now := time.Now()
	for _, tr := range w.Trace {
		n.tracker.see(n.machine.Ledger(), tr, now)
	}
}
