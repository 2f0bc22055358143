package aggregate

import (
	"iter"

	"github.com/weft-mesh/weft/tensor"
)

// span is a tile of a shard: its elements' type and where they are.
type span struct {
	dtype    tensor.DType
	first, n int // of its elements, in the shard
	from, to int // of its bytes, in the shard
}

// spans cuts segments into tiles of at most so many elements.
func spans(segments []tensor.Segment, most int) iter.Seq[span] {
	return func(yield func(span) bool) {
		first, from := 0, 0
		for _, s := range segments {
			for left := int(s.Elements); left > 0; {
				n := min(left, most)
				to := from + n*s.DType.Size()
				if !yield(span{s.DType, first, n, from, to}) {
					return
				}
				first, from, left = first+n, to, left-n
			}
		}
	}
}
