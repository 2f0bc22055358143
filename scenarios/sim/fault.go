package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weft-mesh/weft/trace"
)

var errSick = errors.New("the trainer ended with status 1")

// Fault is something that goes wrong, from a time on and for a while.
type Fault struct {
	Kind  FaultKind     `json:"kind"`
	At    time.Duration `json:"at"`              // from the start; with Round or On, from that moment
	Round uint64        `json:"round,omitempty"` // begins when any site opens this round; 0: by time alone
	On    trace.Kind    `json:"on,omitempty"`    // begins when this event of the trace has come at the first of Sites for the Nth time; empty: by time
	Nth   uint64        `json:"nth,omitempty"`
	For   time.Duration `json:"for,omitempty"`   // until it is mended; 0: never, or it is over at once
	Sites []int         `json:"sites,omitempty"` // whom it befalls; Partition: one side; none of them: all sites
	Value float64       `json:"value,omitempty"` // how much; see the kinds
	Few   bool          `json:"few,omitempty"`   // of a change of the roster: one operator too few wants it, or fewer
	Waver bool          `json:"waver,omitempty"` // of a change of the roster: each operator takes its first approval back, if there is still time
}

// FaultKind says what goes wrong.
type FaultKind string

const (
	Crash     FaultKind = "crash"     // kill -9; mended by a restart
	LoseDisk  FaultKind = "lose disk" // kill -9, and the disk is gone; mended by a restart
	Rollback  FaultKind = "rollback"  // kill -9, and the disk is as it was Value seconds ago, as a snapshot has it; mended by a restart
	Partition FaultKind = "partition" // Sites on one side, the others on the other
	Cut       FaultKind = "cut"       // the links between each two of Sites
	Loss      FaultKind = "loss"      // of Value of all messages
	Duplicate FaultKind = "duplicate" // of Value of all messages
	Delay     FaultKind = "delay"     // Value seconds more for every message
	Slow      FaultKind = "slow"      // training and reducing take Value times as long
	SlowDisk  FaultKind = "slow disk" // syncs take Value seconds longer
	StallDisk FaultKind = "stall"     // syncs hang until it is mended
	Jump      FaultKind = "jump"      // clocks jump ahead by Value seconds
	Sick      FaultKind = "sick"      // trainings fail

	// No faults, but they come at moments too.
	Add     FaultKind = "add"     // the operators want the site in the roster
	Remove  FaultKind = "remove"  // they want it out
	Replace FaultKind = "replace" // they want the second of Sites in the place of the first
)

// FaultKinds are all there are.
var FaultKinds = []FaultKind{Crash, LoseDisk, Rollback, Partition, Cut, Loss, Duplicate, Delay, Slow, SlowDisk, StallDisk, Jump, Sick}

// RosterKinds are the changes of the roster.
var RosterKinds = []FaultKind{Add, Remove, Replace}

func (f *Fault) validate(sites int) error {
	switch {
	case slices.Contains(FaultKinds, f.Kind):
	case !slices.Contains(RosterKinds, f.Kind):
		return fmt.Errorf("no fault %q", f.Kind)
	case len(f.Sites) != 1 && f.Kind != Replace, len(f.Sites) != 2 && f.Kind == Replace:
		return fmt.Errorf("%s: %d sites", f.Kind, len(f.Sites))
	}
	for _, s := range f.Sites {
		if s < 0 || s >= sites {
			return fmt.Errorf("%s: site %d of %d", f.Kind, s, sites)
		}
	}
	switch {
	case f.On == "":
	case len(f.Sites) == 0:
		return fmt.Errorf("%s: on %q of no site", f.Kind, f.On)
	case !slices.Contains(trace.Kinds(), f.On):
		return fmt.Errorf("%s: no event is of the kind %q", f.Kind, f.On)
	}
	if f.At < 0 || f.For < 0 || f.Value < 0 {
		return fmt.Errorf("%s: times and amounts are not negative", f.Kind)
	}
	return nil
}

// End returns when the fault is mended, if it is and begins by time alone.
func (f *Fault) End() time.Duration { return f.At + f.For }

// pendingFault is one that begins with a round or an event.
type pendingFault struct {
	*Fault
	seen uint64 // of the event
}

func (w *World) plan(f *Fault) {
	if f.Round > 0 || f.On != "" {
		w.pending = append(w.pending, &pendingFault{Fault: f})
		return
	}
	w.at(f.At, func() { w.inject(f) })
}

// roundOpened begins the faults that waited for a round.
func (w *World) roundOpened() {
	w.pending = slices.DeleteFunc(w.pending, func(p *pendingFault) bool {
		if p.Round == 0 || p.Round > w.rounds {
			return false
		}
		w.after(p.At, func() { w.inject(p.Fault) })
		return true
	})
}

// Calm lets no more faults begin that wait for a round or an event.
func (w *World) Calm() { w.pending = nil }

// traced begins the faults that waited for an event of a site.
func (w *World) traced(s *site, event trace.Kind) {
	w.pending = slices.DeleteFunc(w.pending, func(p *pendingFault) bool {
		if p.On != event || p.Sites[0] != s.i {
			return false
		}
		if p.seen++; p.seen < p.Nth {
			return false
		}
		w.after(p.At, func() { w.inject(p.Fault) })
		return true
	})
}

// inject lets a fault happen, and has it mended.
func (w *World) inject(f *Fault) {
	w.observe(-1, trace.Fault{Trouble: w.told(f)})
	if w.check != nil {
		w.check.calm.disturbed(w.now + f.For)
	}
	e, hit := w.effects[f.Kind], w.targets(f)
	e.apply(w, f, hit)
	if f.For > 0 && e.undo != nil {
		w.after(f.For, func() {
			w.observe(-1, trace.Mended{Trouble: w.told(f)})
			e.undo(w, f, hit)
		})
	}
}

// told is a fault as events tell it.
func (w *World) told(f *Fault) trace.Trouble {
	t := trace.Trouble{Fault: string(f.Kind), For: f.For}
	for _, i := range f.Sites {
		t.Sites = append(t.Sites, w.sites[i].id)
	}
	if f.Value != 0 {
		t.Words = fmt.Sprint(f.Value)
	}
	return t
}
