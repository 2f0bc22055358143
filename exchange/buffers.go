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
