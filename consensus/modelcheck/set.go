package modelcheck

// found is a set of states in the order in which they were added. Behind the list stands an index
// of positions, so that a state costs 12 to 16 bytes, and no more while the index grows.
type found struct {
	chunks [][]State
	index  []uint32 // position+1 of a state, 0 for a free slot; a power of two long
	n      int
}

const chunkBits = 16

func newFound() *found { return &found{index: make([]uint32, 1<<10)} }

func (f *found) at(i int) State { return f.chunks[i>>chunkBits][i&(1<<chunkBits-1)] }

// add adds a state and reports whether it is new.
func (f *found) add(s State) bool {
	if f.n >= len(f.index)/8*7 {
		f.grow()
	}
	slot := f.slot(s)
	if f.index[slot] != 0 {
		return false
	}
	if f.n&(1<<chunkBits-1) == 0 {
		f.chunks = append(f.chunks, make([]State, 0, 1<<chunkBits))
	}
	last := &f.chunks[f.n>>chunkBits]
	*last = append(*last, s)
	f.n++
	f.index[slot] = uint32(f.n)
	return true
}

// slot returns where a state is in the index, or would be.
func (f *found) slot(s State) int {
	mask := len(f.index) - 1
	h := uint64(s) * 0x9e3779b97f4a7c15
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	for slot := int(h>>32) & mask; ; slot = (slot + 1) & mask {
		if i := f.index[slot]; i == 0 || f.at(int(i-1)) == s {
			return slot
		}
	}
}

func (f *found) grow() {
	size := 2 * len(f.index)
	f.index = nil // the list has it all: the old index need not stay beside the new
	f.index = make([]uint32, size)
	for i := range f.n {
		f.index[f.slot(f.at(i))] = uint32(i + 1)
	}
}
