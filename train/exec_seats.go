package train

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// seats are as many as processes may live at a time. Each is of one run at a time.
type seats struct {
	idle chan struct{} // a token for each that is idle
	mu   sync.Mutex
	all  []*seat
	free []*seat // those that are idle, the least recently used first
}

// seat is where the user's process lives. Its fields are of who has the seat.
type seat struct {
	proc *process // the process' present life; nil before the first
	of   string   // the run of its last task, empty if that was to make one's model

	living atomic.Pointer[working] // for who has not the seat
	turn   atomic.Uint64           // grows each time it is taken
}

// working is a process and the run that it works for.
type working struct {
	*process
	of string
}

func newSeats(n int) *seats {
	s := &seats{idle: make(chan struct{}, n)}
	for range n {
		s.all = append(s.all, &seat{})
		s.idle <- struct{}{}
	}
	s.free = slices.Clone(s.all)
	return s
}

// take returns a seat for a task, unless ctx or the trainer ends first: the one whose process is of the task's run, else one whose
// process is of none yet, else the one that was idle for longest.
func (s *seats) take(ctx context.Context, closed <-chan struct{}, task Task) (*seat, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-s.idle:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-closed:
		return nil, ErrClosed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.free, func(o *seat) bool { return o.lives() && o.of == task.Run && task.Kind != Init })
	if at < 0 {
		at = slices.IndexFunc(s.free, func(o *seat) bool { return !o.lives() || o.of == "" && task.Kind != Init })
	}
	own := s.free[max(0, at)]
	s.occupy(own)
	select {
	case <-closed:
		s.put(own)
		return nil, ErrClosed
	default:
		return own, nil
	}
}

// takeIdle returns a seat for which ok holds, nil if none is idle or all are just being taken.
func (s *seats) takeIdle(ok func(*seat) bool) *seat {
	select {
	case <-s.idle:
	default:
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.free, ok)
	if at < 0 {
		s.idle <- struct{}{}
		return nil
	}
	own := s.free[at]
	s.occupy(own)
	return own
}

// occupy takes a seat from those that are idle; mu is held.
func (s *seats) occupy(own *seat) {
	s.free = slices.DeleteFunc(s.free, func(o *seat) bool { return o == own })
	own.turn.Add(1)
}

// leave gives a seat back.
func (s *seats) leave(own *seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(own)
}

func (s *seats) put(own *seat) {
	s.free = append(s.free, own)
	s.idle <- struct{}{}
}

// takeAll waits until all are idle, and takes them for good.
func (s *seats) takeAll() []*seat {
	for range s.all {
		<-s.idle
	}
	return s.all
}

// lives reports whether the seat has a process that may get another task.
func (s *seat) lives() bool { return s.proc != nil && s.proc.alive() }

// sit lets a process live at the seat.
func (s *seat) sit(p *process) { s.proc = p }

// work notes for which run the process gets a task.
func (s *seat) work(run string) {
	s.of = run
	s.living.Store(&working{s.proc, run})
}
