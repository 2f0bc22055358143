package blockstore

import (
	"math/bits"
	"slices"
)

// bitmap is a set of shard indices; bit i lies in byte i/8 at position i%8.
type bitmap []byte

func newBitmap(n int) bitmap { return make(bitmap, (n+7)/8) }

func (b bitmap) has(i int) bool { return b[i/8]>>(i%8)&1 != 0 }
func (b bitmap) add(i int)      { b[i/8] |= 1 << (i % 8) }
func (b bitmap) remove(i int)   { b[i/8] &^= 1 << (i % 8) }
func (b bitmap) clone() bitmap  { return slices.Clone(b) }

func (b bitmap) count() (n int) {
	for _, x := range b {
		n += bits.OnesCount8(x)
	}
	return n
}

// valid reports whether b is a set of indices below n in the one form it has.
func (b bitmap) valid(n int) bool {
	return len(b) == (n+7)/8 && (n%8 == 0 || b[n/8]>>(n%8) == 0)
}
