package tensor

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
