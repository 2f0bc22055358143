package aggregatetest

import (
	"slices"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/tensor"
)

// Artifact is all elements of a model or update, encoded, uncut.
type Artifact []byte

// Update is an input of a round.
type Update struct {
	Weight uint64
	Data   Artifact
	Base   Artifact // a late update's own base, or nil
}

// Round is what a rule computes a model from, uncut.
type Round struct {
	Runs    []tensor.Segment // all elements of the model
	Base    Artifact
	Updates []Update // in seal order
}

// Opposed returns the round with every second update replaced by the negative of the one
// before, of the same weight: their sums are 0, unless a product was not rounded.
func (r Round) Opposed() Round {
	r.Updates = slices.Clone(r.Updates)
	for j := 1; j < len(r.Updates); j += 2 {
		negative := slices.Clone(r.Updates[j-1].Data)
		end := 0
		for _, run := range r.Runs {
			for range run.Elements {
				end += run.DType.Size()
				negative[end-1] ^= 0x80
			}
		}
		r.Updates[j] = Update{Weight: r.Updates[j-1].Weight, Data: negative}
	}
	return r
}

// Shuffled returns the round with its updates in another seal order.
func (r Round) Shuffled(p *PRNG) Round {
	r.Updates = slices.Clone(r.Updates)
	for i := len(r.Updates) - 1; i > 0; i-- {
		j := p.Next() % uint64(i+1)
		r.Updates[i], r.Updates[j] = r.Updates[j], r.Updates[i]
	}
	return r
}

// Inputs returns the round's base and inputs, cut into shards and read in the given manner.
func (r Round) Inputs(c Cut, m Manner) (base aggregate.ShardReader, inputs []aggregate.Input) {
	for _, u := range r.Updates {
		in := aggregate.Input{Weight: u.Weight, Update: reader{c, u.Data, m}}
		if u.Base != nil {
			in.Base = reader{c, u.Base, m}
		}
		inputs = append(inputs, in)
	}
	return reader{c, r.Base, m}, inputs
}

// Cut is a model's elements in shards.
type Cut struct {
	Segments [][]tensor.Segment // of each shard
	Offsets  []int              // of each shard's first byte, and of the end
}

// Cut cuts the round's elements into shards of shardElements.
func (r Round) Cut(shardElements uint64) Cut {
	c := Cut{Offsets: []int{0}}
	var shard []tensor.Segment
	end, room := 0, shardElements
	seal := func() {
		if len(shard) > 0 {
			c.Segments, c.Offsets = append(c.Segments, shard), append(c.Offsets, end)
		}
		shard, room = nil, shardElements
	}
	for _, run := range r.Runs {
		for left := run.Elements; left > 0; {
			n := min(left, room)
			shard = append(shard, tensor.Segment{DType: run.DType, Elements: n})
			end += int(n) * run.DType.Size()
			left, room = left-n, room-n
			if room == 0 {
				seal()
			}
		}
	}
	seal()
	return c
}

// Shape returns the cut as aggregate takes it.
func (c Cut) Shape() aggregate.Shape {
	return aggregate.Shape{Shards: len(c.Segments), Segments: func(i int) []tensor.Segment { return c.Segments[i] }}
}

// Manner is how a reader gives shards.
type Manner int

const (
	Direct  Manner = iota // the artifact's own memory
	Filling               // the buffer that it is given
	Odd                   // memory at an odd address
	Manners               // how many there are
)

type reader struct {
	Cut
	data   Artifact
	manner Manner
}

var _ aggregate.ShardReader = reader{}

func (r reader) ReadShard(i int, buf []byte) ([]byte, error) {
	data := r.data[r.Offsets[i]:r.Offsets[i+1]]
	switch r.manner {
	case Filling:
		return buf[:copy(buf, data)], nil
	case Odd:
		return append(make([]byte, 1, len(data)+1), data...)[1:], nil
	}
	return data, nil
}
