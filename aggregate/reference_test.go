package aggregate_test

import (
	"math"
	"math/big"
	"sort"

	"github.com/weft-mesh/weft/aggregate/aggregatetest"
	"github.com/weft-mesh/weft/tensor"
)

// arithmetic is the operations that the definition is made of, each rounded to 53 bits.
type arithmetic struct {
	addProduct func(acc, w, x float64) float64
	sub        func(a, b float64) float64
	add        func(a, b float64) float64
	quo        func(a, b float64) float64
}

// slow takes every step with math/big. Its exponents have no bounds, but no step leaves the
// normal range of a float64: elements are multiples of 2^-149 below 2^128, weights below 2^53.
var slow = arithmetic{
	addProduct: func(acc, w, x float64) float64 { return step((*big.Float).Add, acc, step((*big.Float).Mul, w, x)) },
	sub:        func(a, b float64) float64 { return step((*big.Float).Sub, a, b) },
	add:        func(a, b float64) float64 { return step((*big.Float).Add, a, b) },
	quo:        func(a, b float64) float64 { return step((*big.Float).Quo, a, b) },
}

func step(op func(z, x, y *big.Float) *big.Float, x, y float64) float64 {
	z := new(big.Float).SetPrec(53).SetMode(big.ToNearestEven)
	f, _ := op(z, big.NewFloat(x), big.NewFloat(y)).Float64()
	return f
}

// fused is what a compiler would make of acc + w*x without the explicit conversion.
var fused = arithmetic{
	addProduct: func(acc, w, x float64) float64 { return math.FMA(w, x, acc) },
	sub:        slow.sub, add: slow.add, quo: slow.quo,
}

// place is an element of an update.
type place struct{ update, element int }

// reference follows the definition element by element. It returns the model, or all places
// that have no finite value.
func reference(r aggregatetest.Round, a arithmetic) (model []byte, bad []place) {
	var total uint64
	for _, u := range r.Updates {
		total += u.Weight
	}
	element, offset := 0, 0
	for _, run := range r.Runs {
		for range run.Elements {
			acc := 0.0
			for j, u := range r.Updates {
				x := tensor.DecodeOne(u.Data[offset:], run.DType)
				if u.Base != nil && !math.IsNaN(x) && !math.IsInf(x, 0) {
					x = a.add(tensor.DecodeOne(r.Base[offset:], run.DType), a.sub(x, tensor.DecodeOne(u.Base[offset:], run.DType)))
				}
				if math.IsNaN(x) || math.Abs(x) > greatest(run.DType) {
					bad = append(bad, place{j, element})
					continue
				}
				acc = a.addProduct(acc, float64(u.Weight), x)
			}
			model = append(model, nearest(a.quo(acc, float64(total)), run.DType)...)
			element, offset = element+1, offset+run.DType.Size()
		}
	}
	return model, bad
}

// greatest is the largest finite value: all bits set but the sign and one of the exponent.
func greatest(d tensor.DType) float64 {
	ones := map[tensor.DType][]byte{tensor.F32: {0xff, 0xff, 0x7f, 0x7f}, tensor.F16: {0xff, 0x7b}, tensor.BF16: {0x7f, 0x7f}}
	return tensor.DecodeOne(ones[d], d)
}

// nearest rounds x to the nearest element of type d, ties to even, by comparing.
func nearest(x float64, d tensor.DType) []byte {
	if d == tensor.F32 {
		f, _ := big.NewFloat(x).Float32()
		bits := math.Float32bits(f)
		return []byte{byte(bits), byte(bits >> 8), byte(bits >> 16), byte(bits >> 24)}
	}
	value := func(h int) float64 { return tensor.DecodeOne([]byte{byte(h), byte(h >> 8)}, d) }
	infinity := (1<<(15-aggregatetest.FractionBits(d)) - 1) << aggregatetest.FractionBits(d)
	h := sort.Search(infinity, func(h int) bool {
		if h == infinity-1 {
			return true // overflow is for others to test
		}
		middle := (value(h) + value(h+1)) / 2 // exact
		return math.Abs(x) < middle || math.Abs(x) == middle && h%2 == 0
	})
	if math.Signbit(x) {
		h |= 0x8000
	}
	return []byte{byte(h), byte(h >> 8)}
}
