package sim

import (
	"time"

	"github.com/weft-mesh/weft/round"
)

// event is something that happens in the world at its time. Those of one time happen in the order in which
// they were scheduled.
type event struct {
	at   time.Duration
	seq  uint64
	do   func()      // what happens; nil for a delivery, of which there are millions
	to   *site       // whom a delivery is for
	life uint32      // of that site: what was sent to an earlier one is lost
	from int32       // who sends it
	ev   round.Event // what is delivered
}

func (a *event) before(b *event) bool {
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

// queue is a heap of events with four children a node: the world's hot path.
type queue struct {
	heap []event
	seq  uint64
}

func (q *queue) push(h event) {
	q.seq++
	h.seq = q.seq
	q.heap = append(q.heap, h)
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !h.before(&q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = h
}

func (q *queue) pop() event {
	top := q.heap[0]
	last := len(q.heap) - 1
	h := q.heap[last]
	q.heap[last] = event{}
	q.heap = q.heap[:last]
	if last == 0 {
		return top
	}
	i := 0
	for {
		least := -1
		for c := 4*i + 1; c <= 4*i+4 && c < last; c++ {
			if least < 0 || q.heap[c].before(&q.heap[least]) {
				least = c
			}
		}
		if least < 0 || !q.heap[least].before(&h) {
			break
		}
		q.heap[i] = q.heap[least]
		i = least
	}
	q.heap[i] = h
	return top
}
