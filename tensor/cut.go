package tensor

import (
	"cmp"
	"fmt"
	"slices"
)

// Segment is consecutive elements of one type.
type Segment struct {
	DType    DType
	Elements uint64
}

// Bytes returns the size of the segment's elements.
func (s Segment) Bytes() uint64 { return s.Elements * uint64(s.DType.Size()) }

// Shard is where a shard lies in the canonical data.
type Shard struct {
	Index    int
	First    uint64    // its first element, counted over all tensors
	Elements uint64    // how many it has
	Offset   uint64    // of its first byte in the canonical data
	Bytes    int       // its size
	Segments []Segment // its elements' types, neighbours differ
}

// Cut is how a layout falls into shards. It is immutable, so goroutines may share it.
type Cut struct {
	shardElements uint64
	runs          []run // the layout's tensors with neighbours of one type merged
	elements      uint64
	bytes         uint64
}

// run is consecutive elements of one type, and where they begin.
type run struct {
	Segment
	first  uint64 // element
	offset uint64 // byte
}

// Cut divides a valid layout into shards of shardElements elements, the default if 0. It
// returns ErrInvalid if a shard could be larger than a block, or there would be too many.
func (l Layout) Cut(shardElements uint64) (*Cut, error) {
	if shardElements == 0 {
		shardElements = l.DefaultShardElements()
	}
	c := &Cut{shardElements: shardElements}
	for _, t := range l.Tensors {
		n := t.Elements()
		if n == 0 {
			continue
		}
		if last := len(c.runs) - 1; last >= 0 && c.runs[last].DType == t.DType {
			c.runs[last].Elements += n
		} else {
			c.runs = append(c.runs, run{Segment{t.DType, n}, c.elements, c.bytes})
		}
		c.elements += n
		c.bytes += t.Bytes()
	}
	widest := uint64(l.widest())
	switch {
	case c.bytes == 0:
		return nil, fmt.Errorf("layout: %w: no elements", ErrInvalid)
	case shardElements > MaxShardBytes/widest:
		return nil, fmt.Errorf("shards of %d elements of %d bytes: %w: a block has at most %d bytes", shardElements, widest, ErrInvalid, MaxShardBytes)
	case c.Len() > MaxShards:
		return nil, fmt.Errorf("%d elements in shards of %d: %w: %d shards, at most %d; choose larger ones", c.elements, shardElements, ErrInvalid, c.Len(), MaxShards)
	}
	return c, nil
}

// DefaultShardElements returns how many elements of the layout's widest type make
// DefaultShardBytes.
func (l Layout) DefaultShardElements() uint64 {
	return DefaultShardBytes / uint64(max(1, l.widest()))
}

// Shard returns where shard i lies when the layout is cut into shards of shardElements
// elements (the default if 0), or ErrInvalid if there is none. For more than a few shards, use Cut once.
func (l Layout) Shard(i int, shardElements uint64) (Shard, error) {
	c, err := l.Cut(shardElements)
	if err != nil {
		return Shard{}, err
	}
	if i < 0 || i >= c.Len() {
		return Shard{}, fmt.Errorf("shard %d of %d: %w", i, c.Len(), ErrInvalid)
	}
	return c.Shard(i), nil
}

// Len returns the number of shards.
func (c *Cut) Len() int { return int((c.elements + c.shardElements - 1) / c.shardElements) }

// ShardElements returns the elements of every shard but the last, which may have fewer.
func (c *Cut) ShardElements() uint64 { return c.shardElements }

// Bytes returns the size of all shards.
func (c *Cut) Bytes() uint64 { return c.bytes }

// Shard returns where shard i lies; it panics unless 0 <= i < Len().
func (c *Cut) Shard(i int) Shard {
	if i < 0 || i >= c.Len() {
		panic(fmt.Sprintf("tensor: shard %d of %d", i, c.Len()))
	}
	first := uint64(i) * c.shardElements
	s := Shard{Index: i, First: first, Elements: min(c.shardElements, c.elements-first)}
	at, found := slices.BinarySearchFunc(c.runs, first, func(r run, e uint64) int { return cmp.Compare(r.first, e) })
	if !found {
		at-- // the run that began before
	}
	s.Offset = c.runs[at].offset + (first-c.runs[at].first)*uint64(c.runs[at].DType.Size())
	for e := first; e < first+s.Elements; at++ {
		r := c.runs[at]
		n := min(r.first+r.Elements, first+s.Elements) - e
		s.Segments = append(s.Segments, Segment{r.DType, n})
		s.Bytes += int(n) * r.DType.Size()
		e += n
	}
	return s
}

// nonFinite returns the index within the shard of the first element of data that is NaN
// or infinite, and whether there is one.
func (s Shard) nonFinite(data []byte) (uint64, bool) {
	var done uint64
	for _, seg := range s.Segments {
		if i := NonFinite(data[:seg.Bytes()], seg.DType); i >= 0 {
			return done + uint64(i), true
		}
		done += seg.Elements
		data = data[seg.Bytes():]
	}
	return 0, false
}

// CheckFinite returns an ElementError if an element of the shard's data is NaN or infinite.
func (l Layout) CheckFinite(s Shard, data []byte) error {
	i, found := s.nonFinite(data)
	if !found {
		return nil
	}
	at := s.First + i
	for _, t := range l.Tensors {
		n := t.Elements()
		if at < n {
			return &ElementError{Tensor: t.Name, Element: at, Shard: s.Index}
		}
		at -= n
	}
	panic("tensor: shard beyond its layout")
}
