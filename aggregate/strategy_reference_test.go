package aggregate_test

import (
	"math"
	"math/big"
	"slices"

	"github.com/weft-mesh/weft/aggregate/aggregatetest"
	"github.com/weft-mesh/weft/tensor"
)

// The definition of strategies that combine changes, element by element and with math/big: nothing here is the package's.

func plus(a, b float64) float64  { return step((*big.Float).Add, a, b) }
func minus(a, b float64) float64 { return step((*big.Float).Sub, a, b) }
func times(a, b float64) float64 { return step((*big.Float).Mul, a, b) }
func over(a, b float64) float64  { return step((*big.Float).Quo, a, b) }

// root rounds a root of many digits.
func root(x float64) float64 {
	r, _ := new(big.Float).SetPrec(300).Sqrt(new(big.Float).SetPrec(300).SetFloat64(x)).Float64()
	return r
}

// changesOf returns what each update changed of the base.
func changesOf(r aggregatetest.Round) (x [][]float64) {
	for _, u := range r.Updates {
		var changes []float64
		offset := 0
		for _, run := range r.Runs {
			for range run.Elements {
				changes = append(changes, minus(tensor.DecodeOne(u.Data[offset:], run.DType), tensor.DecodeOne(r.Base[offset:], run.DType)))
				offset += run.DType.Size()
			}
		}
		x = append(x, changes)
	}
	return x
}

// squareOf follows the definition of the square of a change's length.
func squareOf(x []float64, shardElements int) float64 {
	var total float64
	for shard := range slices.Chunk(x, shardElements) {
		var lanes [8]float64
		for e, v := range shard {
			d, _ := big.NewFloat(v).Float32()
			lanes[e%8] = plus(lanes[e%8], times(float64(d), float64(d)))
		}
		var sum float64
		for _, lane := range lanes {
			sum = plus(sum, lane)
		}
		total = plus(total, sum)
	}
	return total
}

// coefficientsOf returns the parts of the weights; if clip is not 0 each is cut to a length, NaN for the median one.
func coefficientsOf(r aggregatetest.Round, x [][]float64, clip float64, shardElements int) (coef []float64) {
	var total float64
	for _, u := range r.Updates {
		total += float64(u.Weight)
	}
	var norms []float64
	for j, u := range r.Updates {
		coef = append(coef, over(float64(u.Weight), total))
		norms = append(norms, root(squareOf(x[j], shardElements)))
	}
	if clip == 0 {
		return coef
	}
	if math.IsNaN(clip) {
		sorted := slices.Sorted(slices.Values(norms))
		clip = over(plus(sorted[(len(sorted)-1)/2], sorted[len(sorted)/2]), 2)
	}
	for j := range coef {
		if norms[j] > clip {
			coef[j] = times(coef[j], over(clip, norms[j]))
		}
	}
	return coef
}

// combined returns the weighted sum of the changes.
func combined(x [][]float64, coef []float64) []float64 {
	sum := make([]float64, len(x[0]))
	for e := range sum {
		for j := range x {
			sum[e] = plus(sum[e], times(coef[j], x[j][e]))
		}
	}
	return sum
}

// baseAsFloats returns the elements of the base.
func baseAsFloats(r aggregatetest.Round) (x []float64) {
	offset := 0
	for _, run := range r.Runs {
		for range run.Elements {
			x = append(x, tensor.DecodeOne(r.Base[offset:], run.DType))
			offset += run.DType.Size()
		}
	}
	return x
}

// plainStep adds the change.
func plainStep(base, change []float64, lr float64) (out []float64) {
	for e := range base {
		out = append(out, plus(base[e], times(lr, change[e])))
	}
	return out
}

// nesterovStep changes v and returns the model before it is rounded.
func nesterovStep(base, change, v []float64, lr, b float64) (out []float64) {
	for e := range base {
		v[e] = plus(times(b, v[e]), change[e])
		out = append(out, plus(base[e], times(lr, plus(change[e], times(b, v[e])))))
		f, _ := big.NewFloat(v[e]).Float32()
		v[e] = float64(f)
	}
	return out
}

// encoded rounds elements to the round's types.
func encoded(r aggregatetest.Round, x []float64) (model aggregatetest.Artifact) {
	for _, run := range r.Runs {
		for range run.Elements {
			model = append(model, nearest(x[0], run.DType)...)
			x = x[1:]
		}
	}
	return model
}

// asF32 encodes a slot.
func asF32(x []float64) (state aggregatetest.Artifact) {
	for _, v := range x {
		state = append(state, nearest(v, tensor.F32)...)
	}
	return state
}
