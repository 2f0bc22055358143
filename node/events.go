package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/trace"
)

const (
	maxTraceFile = 16 << 20    // bytes of trace.jsonl before it is rotated
	ringEvents   = 4096        // newest events kept in memory
	writeAgain   = time.Minute // after a write error, until the next try
	maxEvent     = 8 << 10     // bytes of a line; longer events are shortened
)

// events is the site's trace: every event goes to a file of JSON lines, which is rotated by size, and
// the newest stay in memory for those who follow. Sequence numbers go on over restarts.
type events struct {
	site string
	path string
	log  *slog.Logger

	mu     sync.Mutex
	file   *os.File  // nil after a write error: the trace is not worth stopping for
	again  time.Time // after a write error, when it is tried again
	lost   int       // lines that are not in the file since
	size   int64
	limit  int64
	next   uint64 // sequence number of the next event, from 1
	counts map[trace.Kind]float64
	ring   []api.Event // the newest, ascending
	closed bool
	more   chan struct{} // closed and made anew when events come
}

// openEvents opens the trace for appending and reads its newest events back. A site goes on without a trace: its disk may be full
// of what it removes only once it has started.
func openEvents(path, site string, log *slog.Logger) *events {
	e := &events{site: site, path: path, log: log, limit: maxTraceFile, next: 1, counts: map[trace.Kind]float64{}, more: make(chan struct{})}
	for _, p := range []string{path + api.OldTrace, path} {
		err := api.ReadTrace(p, func(ev api.Event) {
			if ev.Seq >= e.next {
				e.keep(ev)
			}
		})
		if err != nil {
			log.Warn("an earlier trace cannot be read", "error", err)
		}
	}
	if err := e.open(); err != nil {
		e.giveUp(time.Now(), 0, err)
	}
	return e
}

func (e *events) open() error {
	f, err := os.OpenFile(e.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("trace: %w", err), f.Close())
	}
	e.file, e.size = f, info.Size()
	return e.endLine()
}

// endLine ends a line that a crash has cut short, so that the next event begins a new one.
func (e *events) endLine() error {
	if e.size == 0 {
		return nil
	}
	var last [1]byte
	if _, err := e.file.ReadAt(last[:], e.size-1); err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	if last[0] == '\n' {
		return nil
	}
	n, err := e.file.Write([]byte("\n"))
	e.size += int64(n)
	return err
}

// keep puts an event into the ring; the mutex is held, or nobody else has e yet.
func (e *events) keep(ev api.Event) {
	e.next = ev.Seq + 1
	if len(e.ring) == 2*ringEvents {
		e.ring = append(e.ring[:0], e.ring[ringEvents:]...)
	}
	e.ring = append(e.ring, ev)
}

// add numbers and writes what a machine traced at a time.
func (e *events) add(now time.Time, traced ...trace.Event) {
	if len(traced) == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	var lines bytes.Buffer
	for _, t := range traced {
		ev := api.Event{Origin: api.Origin{Seq: e.next, Time: now, Site: e.site}, Event: t}
		line, err := json.Marshal(ev)
		if err == nil && len(line) > maxEvent {
			ev.Event = trace.Shortened(t)
			line, err = json.Marshal(ev)
		}
		if err != nil {
			panic(err) // plain structs of ours
		}
		e.keep(ev)
		e.counts[t.Kind()]++
		lines.Write(append(line, '\n'))
	}
	e.write(now, lines.Bytes(), len(traced))
	close(e.more)
	e.more = make(chan struct{})
}

// write appends lines to the file. A trace that cannot be written is left for a while, with a warning: nothing depends on it.
func (e *events) write(now time.Time, lines []byte, count int) {
	if e.file == nil && !e.resume(now) {
		e.lost += count
		return
	}
	err := e.rotate()
	if err == nil {
		var n int
		n, err = e.file.Write(lines)
		e.size += int64(n)
	}
	if err != nil {
		e.giveUp(now, count, err)
	}
}

// resume tries to write the trace again after an error; it reports whether it can be.
func (e *events) resume(now time.Time) bool {
	if now.Before(e.again) {
		return false
	}
	if e.open() != nil {
		e.again = now.Add(writeAgain)
		e.drop()
		return false
	}
	e.log.Info("the trace is written again", "lost", e.lost)
	e.lost = 0
	return true
}

// giveUp ends the writing of the trace for a while.
func (e *events) giveUp(now time.Time, count int, why error) {
	e.log.Warn("the trace cannot be written; it is tried again in a minute", "error", why)
	e.again, e.lost = now.Add(writeAgain), e.lost+count
	e.drop()
}

// drop closes the file that cannot be written.
func (e *events) drop() {
	if e.file != nil {
		_ = e.file.Close() // why it ends has been told
		e.file = nil
	}
}

func (e *events) rotate() error {
	if e.size < e.limit {
		return nil
	}
	err := errors.Join(e.file.Close(), os.Rename(e.path, e.path+api.OldTrace))
	e.file = nil
	if err != nil {
		return err
	}
	return e.open()
}

// close ends the trace; whoever follows it comes to its end.
func (e *events) close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	close(e.more)
	if e.file == nil {
		return nil
	}
	err := e.file.Close()
	e.file = nil
	return err
}

// last returns the sequence number of the newest event.
func (e *events) last() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.next - 1
}

// counted returns how many events of each kind there were since the node started.
func (e *events) counted() map[trace.Kind]float64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.counts)
}

// since returns the events in memory from a sequence number on, and a channel that is closed when
// there are more; nil after the last.
func (e *events) since(seq uint64) ([]api.Event, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	from := len(e.ring)
	for from > 0 && e.ring[from-1].Seq >= seq {
		from--
	}
	list := append([]api.Event(nil), e.ring[from:]...)
	if e.closed {
		return list, nil
	}
	return list, e.more
}

// follow yields the events from a sequence number on, and then those to come until ctx or the
// trace ends. Events older than memory are passed over.
func (e *events) follow(ctx context.Context, seq uint64, wait bool) iter.Seq[api.Event] {
	return func(yield func(api.Event) bool) {
		for {
			list, more := e.since(seq)
			for _, ev := range list {
				if !yield(ev) {
					return
				}
				seq = ev.Seq + 1
			}
			if len(list) > 0 {
				continue
			}
			if !wait || more == nil {
				return
			}
			select {
			case <-more:
			case <-ctx.Done():
				return
			}
		}
	}
}
