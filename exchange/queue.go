package exchange

import (
	"cmp"
	"container/heap"
	"slices"

	"github.com/weft-mesh/weft/block"
)

// queue holds the wants of one requester: lowest order first, then first come, first served.
type queue struct {
	items []queued
	seq   uint64
}

type queued struct {
	order order
	seq   uint64
	cid   block.CID
}

var _ heap.Interface = (*queue)(nil)

func (q *queue) Len() int      { return len(q.items) }
func (q *queue) Swap(i, j int) { q.items[i], q.items[j] = q.items[j], q.items[i] }
func (q *queue) Less(i, j int) bool {
	a, b := &q.items[i], &q.items[j]
	return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.seq, b.seq)) < 0
}

func (q *queue) Push(x any) { q.items = append(q.items, x.(queued)) }

func (q *queue) Pop() any {
	last := len(q.items) - 1
	x := q.items[last]
	q.items = q.items[:last]
	return x
}

// add queues c and returns the number it is queued under.
func (q *queue) add(o order, c block.CID) uint64 {
	q.seq++
	heap.Push(q, queued{o, q.seq, c})
	return q.seq
}

// next takes the first want off the queue.
func (q *queue) next() queued { return heap.Pop(q).(queued) }

// keep throws away the items for which stands is false.
func (q *queue) keep(stands func(queued) bool) {
	q.items = slices.DeleteFunc(q.items, func(i queued) bool { return !stands(i) })
	heap.Init(q)
}
