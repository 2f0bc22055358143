package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/exchange"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/index"
	"github.com/weft-mesh/weft/node/jobs"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/node/wal"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/trace"
)

// batch is how many events that wait already are stepped before the log is synced once for all.
const batch = 64

// loop owns the machine, its log and what is told of it: its goroutine alone touches them.
type loop struct {
	self    peer.ID
	start   time.Time
	machine *round.Machine
	log     *wal.Log
	tracker *tracker
	changed bool        // the view may have
	trained []block.CID // updates whose statements the log has not got yet
	shots   *snapshots
	knows   reduction.Knows

	programs *programs
	box      *mailbox
	views    *views
	events   *events
	shelf    *shelf
	sender   *sender
	index    *index.Index
	exchange *exchange.Exchange
	jobs     *jobs.Jobs
	explain  func(d trace.Diverged) // tells the operator how models differ
	moved    func()                 // tells the network that somebody has come or gone
	blame    func(peer.ID, error)   // tells the network that a peer has sent what no correct site sends
}

// shown are the kinds of statements that change what the other goroutines may know of the machine.
var shown = []ledger.Kind{ledger.KindAsks, ledger.KindOpen, ledger.KindConsent, ledger.KindApprove, ledger.KindWithdraw}

// employ adds what the loop gives work to, before it runs.
func (l *loop) employ(j *jobs.Jobs, x *exchange.Exchange, explain func(trace.Diverged)) {
	l.jobs, l.exchange, l.explain = j, x, explain
}

// run steps the machine until ctx ends or the log cannot be written.
func (l *loop) run(ctx context.Context) error {
	defer close(l.box.done)
	l.jobs.Tidy(l.machine.Ledger())
	l.declineUnknown()
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case ask := <-l.box.asks:
			ask(l.machine)
			l.show()
			continue
		case <-l.box.queue.wake:
			l.stepWaiting()
		case <-alarm.C:
			l.step(round.Alarm{})
		}
		w := l.machine.Ready()
		if err := l.do(w); err != nil {
			return err
		}
		if w.Halt != nil {
			return needsNewer(w.Halt)
		}
		alarm.Reset(l.until(w.Alarm))
	}
}

// needsNewer says what to do about an error, if it is that this program is too old for its mesh or its log.
func needsNewer(err error) error {
	if errors.Is(err, ledger.ErrNewer) {
		return hint.Add(err, "install it and start the node again; what this site has is kept")
	}
	return err
}

// declineUnknown takes this site out of the runs that a later version has taken part in and this program does not know.
func (l *loop) declineUnknown() {
	for _, r := range l.machine.Ledger().Runs() {
		if r.Active() && l.knows.Unknown(r) != "" && l.machine.Participates(r.ID, l.self) {
			l.step(runs.Considered{Run: r.ID})
		}
	}
}

func (l *loop) step(ev round.Event) {
	l.machine.Step(time.Since(l.start), ev)
	switch e := ev.(type) {
	case runs.Considered, runs.OpenRun, runs.StopRun, round.Approve, round.TakeBack:
		l.changed = true
	case runs.Trained:
		l.trained = append(l.trained, e.Manifest)
	case round.Received:
		if e.Message.Head != nil {
			l.programs.heard(e.From, e.Message.Head, l.machine.Ledger().Roster())
		}
		s := e.Message.Statement
		l.changed = l.changed || s != nil && slices.Contains(shown, s.Kind)
	}
}

// stepWaiting steps events that are in the queue.
func (l *loop) stepWaiting() {
	for range batch {
		ev, ok := l.box.queue.take()
		if !ok {
			return
		}
		l.step(ev)
	}
}

// until returns how long it is until a time of the machine's.
func (l *loop) until(at time.Duration) time.Duration {
	if at == 0 {
		return time.Hour
	}
	return max(0, at-time.Since(l.start))
}

// do does what the machine asks for: durable before sent, sent before begun.
func (l *loop) do(w round.Work) error {
	if err := l.save(w.Save); err != nil {
		return err
	}
	for _, manifest := range l.trained {
		l.jobs.Noted(manifest)
	}
	l.trained = l.trained[:0]
	decided := false
	for _, r := range w.Save {
		if r.Decided != nil {
			decided, l.changed = true, true
			l.shelf.put(r.Decided)
		}
	}
	l.events.add(time.Now(), w.Trace...)
	l.publishView()
	if decided {
		l.jobs.Tidy(l.machine.Ledger())
	}
	for _, e := range w.Trace {
		l.tracker.see(l.machine.Ledger(), e, time.Now())
	}
	for _, e := range w.Trace {
		if d, ok := e.(trace.Diverged); ok {
			l.explain(d) // before the jobs, which may remove the model computed here
		}
	}
	for i := range w.Send {
		l.sender.send(&w.Send[i])
	}
	for _, b := range w.Blame {
		l.blame(b.Peer, b.Why)
	}
	for _, j := range w.Jobs {
		l.jobs.Start(l.machine.Ledger(), j)
	}
	l.show() // after the jobs, which know that this site is asked about a run
	return nil
}

// show has others read where the machine stands.
func (l *loop) show() { l.shots.take(l.machine, l.views.now(), l.tracker) }

// save makes records durable.
func (l *loop) save(records []round.Record) error {
	if len(records) == 0 {
		return nil
	}
	if err := l.log.Append(records); err != nil {
		return hint.Add(err, "the node stops rather than say what it may forget; free or repair the disk, then start it again")
	}
	return nil
}

// publishView shows the other goroutines where the machine stands.
func (l *loop) publishView() {
	if !l.changed {
		return
	}
	l.changed = false
	old, now := l.views.now(), newView(l.machine, l.self)
	for h := old.height + 1; h <= now.height; h++ {
		if c := ledger.As[ledger.Commit](l.machine.Ledger().At(h).Entry); c != nil {
			commitTo(l.index, c)
		}
	}
	moved := now.differ(&old.members)
	l.views.show(now)
	if moved {
		l.moved()
	}
	l.newlyAllowed(old, now)
	l.dropAsked(old, now)
	l.jobs.GoneOn(now)
}

// commitTo has the index take what was computed here for what the mesh has committed.
func commitTo(x *index.Index, c *ledger.Commit) {
	x.Commit(c.Model, c.Run)
	if c.State.Defined() {
		x.CommitState(c.State, c.Run)
	}
}

// newlyAllowed tells the exchange about runs whose participants have changed, so that who was
// refused before asks again.
func (l *loop) newlyAllowed(old, now *view) {
	for run, takes := range now.takes {
		before := old.takes[run]
		for p := range takes {
			if !before[p] {
				l.exchange.Added(l.index.Restricted(run)...)
				break
			}
		}
	}
}
