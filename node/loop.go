package node

import (
	"context"
	"errors"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/runs"
)

// batch is how many events that wait already are stepped before the log is synced once for all.
const batch = 64

// loop owns the machine: it alone touches it, until ctx ends or the log cannot be written.
func (n *Node) loop(ctx context.Context) error {
	defer close(n.done)
	n.tidy()
	n.declineUnknown()
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case ask := <-n.asks:
			ask()
			continue
		case q := <-n.queue:
			n.take(q)
			n.stepWaiting(batch - 1)
		case <-alarm.C:
			n.step(round.Alarm{})
		}
		w := n.machine.Ready()
		if err := n.do(w); err != nil {
			return err
		}
		if w.Halt != nil {
			return needsNewer(w.Halt)
		}
		alarm.Reset(n.until(w.Alarm))
	}
}

// needsNewer says what to do about an error, if it is that this program is too old for its mesh or its log.
func needsNewer(err error) error {
	if errors.Is(err, ledger.ErrNewer) {
		return hint(err, "install it and start the node again; what this site has is kept")
	}
	return err
}

// declineUnknown takes this site out of the runs that a later version has taken part in and this program does not know.
func (n *Node) declineUnknown() {
	for _, r := range n.machine.Ledger().Runs() {
		if r.Active() && n.opt.Knows.unknown(r) != "" && n.machine.Participates(r.ID, n.home.ID) {
			n.step(runs.Considered{Run: r.ID})
		}
	}
}

func (n *Node) step(ev round.Event) {
	n.machine.Step(time.Since(n.start), ev)
	switch e := ev.(type) {
	case runs.Considered, round.Approve, round.TakeBack:
		n.changed = true
	case round.Received:
		if e.Message.Head != nil {
			n.programs.heard(e.From, e.Message.Head, n.machine.Ledger().Roster())
		}
		s := e.Message.Statement
		n.changed = n.changed || s != nil && (s.Kind == ledger.KindConsent || s.Kind == ledger.KindApprove || s.Kind == ledger.KindWithdraw)
	}
}

// queued is an event that waits for the machine, and the bytes of the message that it came in.
type queued struct {
	event round.Event
	bytes int64
}

// take steps an event from the queue.
func (n *Node) take(q queued) {
	n.room.Release(q.bytes)
	n.step(q.event)
}

// stepWaiting steps events that are in the queue already.
func (n *Node) stepWaiting(most int) {
	for range most {
		select {
		case q := <-n.queue:
			n.take(q)
		default:
			return
		}
	}
}

// until returns how long it is until a time of the machine's.
func (n *Node) until(at time.Duration) time.Duration {
	if at == 0 {
		return time.Hour
	}
	return max(0, at-time.Since(n.start))
}

// do does what the machine asks for: durable before sent, sent before begun.
func (n *Node) do(w round.Work) error {
	if err := n.save(w.Save); err != nil {
		return err
	}
	decided := false
	for _, r := range w.Save {
		if r.Decided != nil {
			decided, n.changed = true, true
			n.shelf.put(r.Decided)
		}
	}
	n.events.add(time.Now(), w.Trace...)
	n.publishView()
	if decided {
		n.tidy()
	}
	n.track(w)
	for _, tr := range w.Trace {
		if tr.Event == "diverged" {
			n.explain(tr) // before the jobs, which may remove the model computed here
		}
	}
	for i := range w.Send {
		n.sender.send(&w.Send[i])
	}
	for _, j := range w.Jobs {
		n.jobs.start(j)
	}
	return nil
}

// save makes records durable.
func (n *Node) save(records []round.Record) error {
	if len(records) == 0 {
		return nil
	}
	if err := n.wal.append(records); err != nil {
		return hint(err, "the node stops rather than say what it may forget; free or repair the disk, then start it again")
	}
	return nil
}

// publishView shows the other goroutines where the machine stands.
func (n *Node) publishView() {
	if !n.changed {
		return
	}
	n.changed = false
	old, now := n.view.Load(), newView(n.machine, n.home.ID)
	for h := old.height + 1; h <= now.height; h++ {
		if c := ledger.As[ledger.Commit](n.machine.Ledger().At(h).Entry); c != nil {
			n.index.commit(c.Model, c.Run)
		}
	}
	moved := now.differ(&old.members)
	n.view.Store(now)
	if moved {
		n.gossip.RosterChanged()
		n.trust()
	}
	n.newlyAllowed(old, now)
	n.jobs.goneOn(now)
}

// deliver queues an event for the machine; false means that the node ends.
func (n *Node) deliver(ctx context.Context, ev round.Event) bool {
	return n.enqueue(ctx, queued{event: ev})
}

func (n *Node) enqueue(ctx context.Context, q queued) bool {
	select {
	case n.queue <- q:
		return true
	case <-n.done:
	case <-ctx.Done():
	}
	return false
}

// ask runs f on the loop's goroutine, where the machine may be read, and waits for it.
func (n *Node) ask(ctx context.Context, f func(*round.Machine)) error {
	asked := make(chan struct{})
	select {
	case n.asks <- func() { f(n.machine); close(asked) }:
	case <-n.done:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	<-asked
	return nil
}
