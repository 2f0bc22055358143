package node

import (
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/node/metrics"
	"github.com/weft-mesh/weft/round"
)

// queue holds the events that wait for the machine. What happens at this site goes first, and is never dropped. Messages are taken
// of one neighbour after the other, so that a flood delays nobody else's; when all together are too many, the neighbour that
// takes most room loses its newest.
type queue struct {
	most, mostBytes int
	wake            chan struct{} // holds a token while there may be something

	mu    sync.Mutex
	own   []round.Event
	lines map[peer.ID]*line
	turn  []*line // those that are not empty, in the order of their turns
	count int     // messages
	bytes int
	lost  uint64 // messages, for want of room
}

// line is what a neighbour has brought, the oldest first.
type line struct {
	from     peer.ID
	messages []message
	bytes    int
}

type message struct {
	event round.Received
	bytes int
}

func (l *line) push(m message) {
	l.messages = append(l.messages, m)
	l.bytes += m.bytes
}

func (l *line) takeOldest() message {
	m := l.messages[0]
	l.messages[0] = message{} // let the collector have it
	l.messages = l.messages[1:]
	l.bytes -= m.bytes
	return m
}

func (l *line) dropNewest() message {
	n := len(l.messages) - 1
	m := l.messages[n]
	l.messages[n] = message{}
	l.messages = l.messages[:n]
	l.bytes -= m.bytes
	return m
}

func newQueue(most, mostBytes int) *queue {
	return &queue{most: most, mostBytes: mostBytes, wake: make(chan struct{}, 1), lines: map[peer.ID]*line{}}
}

// put adds what happens at this site.
func (q *queue) put(ev round.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.own = append(q.own, ev)
	q.ring()
}

// bring adds a message of so many bytes; false: there is no room for it.
func (q *queue) bring(r round.Received, bytes int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[r.From]
	if l == nil {
		l = &line{from: r.From}
	}
	for q.count >= q.most || q.bytes+bytes > q.mostBytes {
		big := q.biggest()
		if big == nil || big == l || big.bytes <= l.bytes {
			q.lost++
			return false
		}
		q.dropNewest(big)
	}
	if len(l.messages) == 0 {
		q.lines[r.From] = l
		q.turn = append(q.turn, l)
	}
	l.push(message{r, bytes})
	q.count++
	q.bytes += bytes
	q.ring()
	return true
}

// biggest returns the line that takes most room, or nil.
func (q *queue) biggest() (big *line) {
	for _, l := range q.turn {
		if big == nil || l.bytes > big.bytes {
			big = l
		}
	}
	return big
}

// waiting returns how much waits, and how many messages were lost.
func (q *queue) waiting() metrics.Queue {
	q.mu.Lock()
	defer q.mu.Unlock()
	return metrics.Queue{Messages: q.count, Bytes: q.bytes, Dropped: q.lost}
}

func (q *queue) dropNewest(l *line) {
	q.lost++
	q.took(l.dropNewest())
	if len(l.messages) == 0 {
		q.turn = slices.DeleteFunc(q.turn, func(o *line) bool { return o == l })
		delete(q.lines, l.from)
	}
}

func (q *queue) took(m message) {
	q.bytes -= m.bytes
	q.count--
}

// take returns the next event, if there is one.
func (q *queue) take() (ev round.Event, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.own) > 0 {
		ev, q.own = q.own[0], q.own[1:]
		q.ring()
		return ev, true
	}
	if len(q.turn) == 0 {
		return nil, false
	}
	l := q.turn[0]
	q.turn = q.turn[1:]
	m := l.takeOldest()
	q.took(m)
	if len(l.messages) > 0 {
		q.turn = append(q.turn, l)
	} else {
		delete(q.lines, l.from)
	}
	q.ring()
	return m.event, true
}

// ring has whoever waits look, if there is something.
func (q *queue) ring() {
	if len(q.own) == 0 && len(q.turn) == 0 {
		return
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
