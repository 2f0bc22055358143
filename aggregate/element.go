package aggregate

import (
	"encoding/binary"
	"math"
	"sync"
	"unsafe"

	"github.com/weft-mesh/weft/tensor"
)

// littleEndian is whether this processor keeps numbers in memory as shards keep elements.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// inPlace returns the bytes of a shard as the numbers that they are, without a copy, where
// their address and the byte order of the processor allow it. The kernels are twice as fast
// on floats loaded as floats as on floats assembled from bytes.
func inPlace[T float32 | uint16](b []byte) ([]T, bool) {
	var one T
	p := unsafe.Pointer(unsafe.SliceData(b))
	if !littleEndian || uintptr(p)%unsafe.Alignof(one) != 0 {
		return nil, false
	}
	return unsafe.Slice((*T)(p), len(b)/int(unsafe.Sizeof(one))), true
}

// floats returns at most a tile of elements of type d as float32s, which hold the values of
// every type exactly: in place, or else decoded into dst. It is tensor.Decode, faster.
func floats(dst *[tile]float32, src []byte, d tensor.DType) []float32 {
	if d == tensor.F32 {
		if x, ok := inPlace[float32](src); ok {
			return x
		}
	}
	x := dst[:len(src)/d.Size()]
	halves, ok := inPlace[uint16](src)
	switch {
	case ok && d == tensor.BF16:
		halves = halves[:len(x)]
		for k, h := range halves {
			x[k] = math.Float32frombits(uint32(h) << 16)
		}
	case ok && d == tensor.F16:
		halves = halves[:len(x)]
		value := valuesOfF16()
		for k, h := range halves {
			x[k] = value[h]
		}
	default:
		tensor.Decode(x, src, d)
	}
	return x
}

// valuesOfF16 is the value of every F16, 256 KiB, made when first needed: looking up is
// several times as fast as converting.
var valuesOfF16 = sync.OnceValue(func() *[1 << 16]float32 {
	value := new([1 << 16]float32)
	for h := range value {
		value[h] = tensor.F16ToFloat32(uint16(h))
	}
	return value
})

// finish divides the accumulators by the sum of the weights and writes the quotients to dst
// as elements of type d, each rounded once. It returns false at the first that has no
// finite encoding. The accumulators are used up.
func finish(dst []byte, acc []float64, total float64, d tensor.DType) bool {
	switch d {
	case tensor.F32:
		if out, ok := inPlace[float32](dst); ok {
			return finishF32(out, acc, total)
		}
	case tensor.BF16:
		if out, ok := inPlace[uint16](dst); ok {
			return finishBF16(out, acc, total)
		}
	}
	for k, a := range acc {
		acc[k] = a / total
	}
	return tensor.Encode(dst, acc, d) < 0
}

func finishF32(out []float32, acc []float64, total float64) bool {
	const exponent = 0x7f800000 // all its bits: infinite or NaN
	out = out[:len(acc)]
	for k, a := range acc {
		q := float32(a / total)
		if math.Float32bits(q)&exponent == exponent {
			return false
		}
		out[k] = q
	}
	return true
}

// finishBF16 rounds what lies in BF16's normal range itself and leaves the rest to package tensor.
func finishBF16(out []uint16, acc []float64, total float64) bool {
	const (
		normal   = (1023 - 126) << 52 // bits of the smallest normal, 2^-126
		top      = (1023 + 127) << 52 // bits of 2^127; from there on rounding may overflow
		dropped  = 52 - 7             // bits of fraction that BF16 lacks
		rebias   = (1023 - 127) << 7  // difference of the exponents' biases, in place
		half     = 1<<(dropped-1) - 1 // with the last kept bit: half a step, ties to even
		exponent = 0xff << 7          // all its bits: infinite or NaN
	)
	out = out[:len(acc)]
	for k, a := range acc {
		q := a / total
		bits := math.Float64bits(q)
		magnitude := bits &^ (1 << 63)
		h := uint16(bits>>48&0x8000) | uint16((magnitude+half+magnitude>>dropped&1)>>dropped-rebias)
		if magnitude-normal >= top-normal {
			if h = tensor.Float64ToBF16(q); h&exponent == exponent {
				return false
			}
		}
		out[k] = h
	}
	return true
}

// largest returns the largest finite value of type d.
func largest(d tensor.DType) float64 {
	switch d {
	case tensor.F16:
		return 65504
	case tensor.BF16:
		return 0x1.fep127
	}
	return math.MaxFloat32
}
