package tensor

import (
	"cmp"
	"fmt"
	"io"
	"slices"
)

// Plain is the codec so far: a shard's bytes are its elements, little-endian.
const Plain = "plain"

// CheckCodec returns ErrInvalid for a codec that this program does not know.
func CheckCodec(codec string) error {
	if codec != Plain {
		return fmt.Errorf("%w: codec %.20q; this version knows %q", ErrInvalid, codec, Plain)
	}
	return nil
}

// Cut is how a layout falls into shards, and how these lie in a file. It is immutable, so goroutines may share it.
type Cut struct {
	layout        Layout
	codec         string
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

// Cut is CutAs for plain shards.
func (l Layout) Cut(shardElements uint64) (*Cut, error) { return l.CutAs(Plain, shardElements) }

// CutAs divides a valid layout into shards of shardElements elements, the default if 0, which are written by a codec. It
// returns ErrInvalid for a codec that is not known, if a shard could be larger than a block, or if there would be too many.
func (l Layout) CutAs(codec string, shardElements uint64) (*Cut, error) {
	if err := CheckCodec(codec); err != nil {
		return nil, err
	}
	if shardElements == 0 {
		shardElements = l.DefaultShardElements()
	}
	c := &Cut{layout: l, codec: codec, shardElements: shardElements}
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

// Layout returns what is cut.
func (c *Cut) Layout() Layout { return c.layout }

// Sharing returns the cut with a layout in the place of its own, which is equal: one that is in memory already.
func (c *Cut) Sharing(l Layout) *Cut {
	same := *c
	same.layout = l
	return &same
}

// Codec returns how the shards are written.
func (c *Cut) Codec() string { return c.codec }

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

// CheckFinite returns an ElementError if an element of the shard's data is NaN or infinite.
func (c *Cut) CheckFinite(s Shard, data []byte) error {
	i, found := s.nonFinite(data)
	if !found {
		return nil
	}
	at := s.First + i
	for _, t := range c.layout.Tensors {
		n := t.Elements()
		if at < n {
			return &ElementError{Tensor: t.Name, Element: at, Shard: s.Index}
		}
		at -= n
	}
	panic("tensor: shard beyond its layout")
}

// Header returns what a new file has before its shards: it is a safetensors file of the layout.
func (c *Cut) Header() []byte { return c.layout.SafetensorsHeader() }

// HeaderOfSize returns a header of so many bytes, for a file whose shards begin after them: what another writer had there may
// be longer than Header. It returns nil if there is no room.
func (c *Cut) HeaderOfSize(size int64) []byte { return c.layout.headerOfSize(int(size)) }

// Begin returns where in a file the shards begin, without reading its header.
func (c *Cut) Begin(file io.ReaderAt) (int64, error) { return DataOffset(file) }

// CheckHeader returns ErrSafetensors or ErrInvalid unless the header of a file, whose shards begin at offset, says what the
// layout does.
func (c *Cut) CheckHeader(file io.ReaderAt, offset int64) error {
	h, err := ReadHeader(file, offset+int64(c.bytes))
	if err != nil {
		return err
	}
	l, err := h.Layout()
	if err == nil && (!h.Canonical() || l.Difference(c.layout) != "") {
		err = fmt.Errorf("%w: the header is of other tensors", ErrSafetensors)
	}
	return err
}
