package aggregate

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/weft-mesh/weft/tensor"
)

var types = []tensor.DType{tensor.F32, tensor.F16, tensor.BF16}

// addresses returns b at an even and an odd address.
func addresses(b []byte) [][]byte {
	return [][]byte{bytes.Clone(b), append(make([]byte, 1, len(b)+1), b...)[1:]}
}

func TestLimits(t *testing.T) {
	// Each input adds two roundings of 2^-53; one more is the quotient's.
	if (2*MaxInputs+1)*0x1p-53 >= 0x1p-25 {
		t.Error("so many inputs may round past the largest F32")
	}
	for _, d := range types {
		dst := make([]byte, d.Size())
		if tensor.Encode(dst, []float64{largest(d)}, d) >= 0 || tensor.DecodeOne(dst, d) != largest(d) {
			t.Errorf("%s: %v is not of this type", d, largest(d))
		}
		if step := largest(d) - math.Ldexp(largest(d), -1); tensor.Encode(dst, []float64{largest(d) + step}, d) < 0 {
			t.Errorf("%s: %v is not the largest", d, largest(d))
		}
	}
}

// All values of the 16-bit types, and F32s of all exponents, decode as dtype decodes them.
func TestFloatsLikeDType(t *testing.T) {
	var all []byte
	for h := range 1 << 16 {
		all = append(all, byte(h), byte(h>>8))
	}
	for _, d := range types {
		for from := 0; from < len(all); from += tile {
			for _, src := range addresses(all[from : from+tile]) {
				want := make([]float32, tile/d.Size())
				tensor.Decode(want, src, d)
				got := floats(new([tile]float32), src, d)
				if !slices.EqualFunc(got, want, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
					t.Fatalf("%s from %x on: %v, want %v", d, src[:8], got, want)
				}
			}
		}
	}
}

// finish is a division and tensor.Encode, also around every value of the 16-bit types: the
// middle between neighbours, where ties are, and the float64s next to it.
func TestFinishLikeDType(t *testing.T) {
	for _, d := range types {
		var acc []float64
		for h := range 1<<16 - 1 {
			a := tensor.DecodeOne([]byte{byte(h), byte(h >> 8), byte(h), byte(h >> 8)}, d)
			b := tensor.DecodeOne([]byte{byte(h + 1), byte((h + 1) >> 8), byte(h + 1), byte((h + 1) >> 8)}, d)
			middle := float64(a+b) / 2
			acc = append(acc, a, middle, math.Nextafter(middle, math.Inf(1)), math.Nextafter(middle, math.Inf(-1)))
		}
		for _, total := range []float64{1, 3, maxWeight} {
			for from := 0; from < len(acc); from += tile {
				part := acc[from:min(from+tile, len(acc))]
				for _, dst := range addresses(make([]byte, len(part)*d.Size())) {
					checkFinish(t, dst, part, total, d)
				}
			}
		}
	}
}

// At the upper end: what still rounds to the largest value, and what no longer does.
func TestFinishOverflow(t *testing.T) {
	for d, half := range map[tensor.DType]float64{tensor.F32: 0x1p103, tensor.F16: 16, tensor.BF16: 0x1p119} { // of the last step
		over := largest(d) + half
		for _, x := range []float64{math.Nextafter(over, 0), over, 2 * over, math.Inf(1), math.NaN(), math.MaxFloat64} {
			for _, dst := range addresses(make([]byte, d.Size())) {
				checkFinish(t, dst, []float64{x}, 1, d)
				checkFinish(t, dst, []float64{-x}, 1, d)
			}
		}
	}
}

func checkFinish(t *testing.T, dst []byte, acc []float64, total float64, d tensor.DType) {
	t.Helper()
	quotients, finite := slices.Clone(acc), make([]byte, len(dst))
	for k := range quotients {
		quotients[k] /= total
	}
	bad := tensor.Encode(finite, quotients, d)
	if ok := finish(dst, slices.Clone(acc), total, d); ok != (bad < 0) {
		t.Fatalf("%s, %v to %v: finish says %t, dtype finds %d", d, quotients[0], quotients[len(acc)-1], ok, bad)
	}
	if bad < 0 && !bytes.Equal(dst, finite) {
		t.Fatalf("%s, %v to %v:\n%x, want\n%x", d, quotients[0], quotients[len(acc)-1], dst, finite)
	}
}
