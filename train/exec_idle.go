package train

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/weft-mesh/weft/train/proctree"
)

// An idle process is kept for its run's next task, with what it has in memory, a GPU's too. It is told to stop when the run is over,
// or when it was idle for as long as the site says.

// leave gives a seat back; over says that there will be no further round of its run.
func (e *Exec) leave(s *seat, over bool) {
	limit := e.cfg.Idle
	if over && (limit == 0 || limit > overIdle) {
		limit = overIdle
	}
	e.seats.leave(s)
	if limit > 0 {
		turn := s.turn.Load()
		time.AfterFunc(limit, func() { e.expire(s, turn) })
	}
}

// expire ends the process of a seat that was idle since a turn.
func (e *Exec) expire(s *seat, turn uint64) {
	if s.turn.Load() == turn && e.seats.takeIdle(func(o *seat) bool { return o == s && o.turn.Load() == turn }) != nil {
		e.retire(s, "it was idle")
	}
}

// Over tells that a run is over: its idle process ends.
func (e *Exec) Over(run string) {
	if s := e.seats.takeIdle(func(o *seat) bool { return o.lives() && o.of == run }); s != nil {
		go e.retire(s, "its run is over")
	}
}

// retire ends the process of a seat that was taken for this.
func (e *Exec) retire(s *seat, why string) {
	defer e.seats.leave(s)
	if s.lives() {
		_ = e.end(context.Background(), s, why) // the process hears at the end of the trainer, at the latest
	}
}

// end ends the process of a seat. It hears first what became of its last update, or what it keeps for the next round would be lost.
func (e *Exec) end(ctx context.Context, s *seat, why string) error {
	if err := s.proc.desk.settle(ctx); err != nil {
		return err
	}
	e.log.Info("trainer is told to stop", "why", why, "pid", s.proc.cmd.Process.Pid)
	s.proc.stop(e.cfg.StopGrace)
	return nil
}

// leftovers are processes that outlive what has started them.
type leftovers struct {
	mu  sync.Mutex
	all []proctree.Process
}

func (l *leftovers) add(left []proctree.Process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, left...)
}

// now returns those that still live.
func (l *leftovers) now() []proctree.Process {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = slices.DeleteFunc(l.all, func(p proctree.Process) bool { return !p.Lives() })
	return slices.Clone(l.all)
}
