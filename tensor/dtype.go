package tensor

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/weft-mesh/weft/tensor/kernel"
)

// DType names the type of a tensor's elements, as safetensors spells it.
type DType string

const (
	F32  DType = "F32"  // IEEE 754 binary32
	F16  DType = "F16"  // IEEE 754 binary16
	BF16 DType = "BF16" // bfloat16: binary32 with 7 bits of fraction

	// What is stored, and never computed with.
	F64  DType = "F64" // IEEE 754 binary64
	I64  DType = "I64"
	I32  DType = "I32"
	I16  DType = "I16"
	I8   DType = "I8"
	U64  DType = "U64"
	U32  DType = "U32"
	U16  DType = "U16"
	U8   DType = "U8"
	Bool DType = "BOOL" // a byte, 0 or 1
)

// Float is the Go types that elements are computed with.
type Float interface{ float32 | float64 }

// Size returns the bytes of one element, 0 for a type that weft does not know.
func (d DType) Size() int {
	switch d {
	case F64, I64, U64:
		return 8
	case F32, I32, U32:
		return 4
	case F16, BF16, I16, U16:
		return 2
	case I8, U8, Bool:
		return 1
	}
	return 0
}

// Valid reports whether weft knows the type.
func (d DType) Valid() bool { return d.Size() != 0 }

// Weight reports whether weights are of the type: they are computed with.
func (d DType) Weight() bool { return d == F32 || d == F16 || d == BF16 }

// Decode reads len(dst) elements of type d from src, exactly. It panics unless src is
// len(dst)*d.Size() bytes and d is a type of weights: both are for the caller to have checked.
func Decode[F Float](dst []F, src []byte, d DType) {
	checkSizes(len(dst), len(src), d)
	switch d {
	case F32:
		for i := range dst {
			dst[i] = F(math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:])))
		}
	case F16:
		for i := range dst {
			dst[i] = F(F16ToFloat32(binary.LittleEndian.Uint16(src[2*i:])))
		}
	case BF16:
		for i := range dst {
			dst[i] = F(BF16ToFloat32(binary.LittleEndian.Uint16(src[2*i:])))
		}
	}
}

// Encode writes src to dst as elements of type d, each rounded once to nearest even. It
// stops at the first element without a finite encoding (NaN, an infinity, or a finite
// value that rounds past the type's largest) and returns its index, -1 if there is none;
// the elements before it are written. It panics unless dst is len(src)*d.Size() bytes and
// d is a type of weights.
func Encode[F Float](dst []byte, src []F, d DType) int {
	checkSizes(len(src), len(dst), d)
	switch d {
	case F32:
		for i, x := range src {
			b := math.Float32bits(float32(x))
			if b&expF32 == expF32 {
				return i
			}
			binary.LittleEndian.PutUint32(dst[4*i:], b)
		}
	case F16:
		for i, x := range src {
			h := Float64ToF16(float64(x))
			if h&expF16 == expF16 {
				return i
			}
			binary.LittleEndian.PutUint16(dst[2*i:], h)
		}
	case BF16:
		for i, x := range src {
			h := Float64ToBF16(float64(x))
			if h&expBF16 == expBF16 {
				return i
			}
			binary.LittleEndian.PutUint16(dst[2*i:], h)
		}
	}
	return -1
}

// Widen reads the elements of type d in src and writes each to dst as F32, exactly: NaN and infinities stay what they are. It panics
// unless dst has four bytes for each element of src and d is known.
func Widen(dst, src []byte, d DType) {
	checkSizes(len(dst)/4, len(src), d)
	switch d {
	case F32:
		copy(dst, src)
	case F16:
		for i := range len(src) / 2 {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(F16ToFloat32(binary.LittleEndian.Uint16(src[2*i:]))))
		}
	case BF16:
		for i := range len(src) / 2 {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(BF16ToFloat32(binary.LittleEndian.Uint16(src[2*i:]))))
		}
	}
}

// DecodeOne reads one element of type d from the start of src, exactly.
func DecodeOne(src []byte, d DType) float64 {
	var x [1]float64
	Decode(x[:], src[:d.Size()], d)
	return x[0]
}

// All bits of the exponent: set in infinities and NaNs only.
const (
	expF32  = 0x7f800000
	expF16  = 0x7c00
	expBF16 = 0x7f80
)

// NonFinite returns the index of the first element of src, of type d, that is an infinity
// or a NaN; -1 if there is none, as in what is no weight. It panics unless src is a whole number of elements and
// d is known.
func NonFinite(src []byte, d DType) int {
	n := elements(len(src), d)
	if !d.Weight() {
		return -1
	}
	// Eight bytes at a time: adding the lowest exponent bit to the exponent alone carries
	// into the (cleared) sign bit just where all exponent bits are set.
	var mask, one, sign uint64
	switch d {
	case F32:
		mask, one, sign = expF32*0x1_00000001, 0x00800000*0x1_00000001, 1<<31*0x1_00000001
	case F16:
		mask, one, sign = expF16*0x1_0001_0001_0001, 0x0400*0x1_0001_0001_0001, 1<<15*0x1_0001_0001_0001
	case BF16:
		mask, one, sign = expBF16*0x1_0001_0001_0001, 0x0080*0x1_0001_0001_0001, 1<<15*0x1_0001_0001_0001
	}
	at := kernel.Best.Finite(d.Kernel(), src)
	for ; at+8 <= len(src); at += 8 {
		if (binary.LittleEndian.Uint64(src[at:])&mask+one)&sign != 0 {
			break
		}
	}
	for i := at / d.Size(); i < n; i++ {
		if x := DecodeOne(src[i*d.Size():], d); math.IsNaN(x) || math.IsInf(x, 0) {
			return i
		}
	}
	return -1
}

// Kernel returns a type of weights as package kernel has it.
func (d DType) Kernel() kernel.Type {
	switch d {
	case F16:
		return kernel.F16
	case BF16:
		return kernel.BF16
	}
	return kernel.F32
}

// elements returns how many elements of type d are in size bytes.
func elements(size int, d DType) int {
	if !d.Valid() || size%d.Size() != 0 {
		panic(fmt.Sprintf("tensor: %d bytes are not a whole number of %q elements", size, d))
	}
	return size / d.Size()
}

func checkSizes(floats, size int, d DType) {
	if elements(size, d) != floats || !d.Weight() {
		panic(fmt.Sprintf("tensor: %d floats, but %d bytes of %s", floats, size, d))
	}
}
