package exchange

import (
	"math/bits"
	"sync"

	"github.com/weft-mesh/weft/block"
)

// buffers recycles the memory that blocks are read into, by powers of two. What lies unused
// is left to the garbage collector.
type buffers struct {
	classes [maxClass - minClass + 1]sync.Pool
}

const (
	minClass = 12 // 4 KiB: smaller ones are not worth a class
	maxClass = 22 // 4 MiB = block.MaxSize
)

var _ [0]struct{} = [block.MaxSize - 1<<maxClass]struct{}{} // the largest class holds the largest block

type buffer struct {
	data  []byte // the block's bytes
	class int
}

// get returns a buffer whose data has length n, at most block.MaxSize, and any content.
func (p *buffers) get(n int) *buffer {
	class := minClass
	if n > 1<<minClass {
		class = bits.Len(uint(n - 1))
	}
	b, ok := p.classes[class-minClass].Get().(*buffer)
	if !ok {
		b = &buffer{make([]byte, 1<<class), class}
	}
	b.data = b.data[:n]
	return b
}

func (p *buffers) put(b *buffer) { p.classes[b.class-minClass].Put(b) }

// scratch is memory that one block after another is read into, as large as the largest of them so far.
type scratch struct {
	pool *buffers
	size int
	held *buffer // nil: none
}

// memory returns it, nil if nothing was read yet.
func (s *scratch) memory() []byte {
	if s.held == nil && s.size > 0 {
		s.held = s.pool.get(s.size)
	}
	if s.held == nil {
		return nil
	}
	return s.held.data
}

// fit makes room for further blocks of n bytes after one of that size was read, which stays where it is: in this memory, if its
// capacity was enough.
func (s *scratch) fit(n int) {
	if n > s.size && (s.held == nil || n > cap(s.held.data)) {
		s.free()
		s.size = n
	}
}

// free gives the memory back, until the next block.
func (s *scratch) free() {
	if s.held != nil {
		s.pool.put(s.held)
		s.held = nil
	}
}
