package aggregate

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/tensor/kernel"
)

// draw returns elements of type d at any address: of any bits, of small exponents with many zeros, subnormals and equal ones, or
// finite of any exponent.
func draw(r *rand.Rand, d tensor.DType, elements, manner int) []byte {
	from := r.IntN(64)
	b := make([]byte, from+elements*d.Size())[from:]
	for at := 0; at < len(b); at += d.Size() {
		bits := r.Uint32()
		switch manner {
		case 1: // all exponents up to the smallest eight
			bits &^= 0x78007800
		case 2: // no exponent of an infinity or a NaN
			bits &^= map[tensor.DType]uint32{tensor.F32: 1 << 30, tensor.BF16: 1 << (7 + r.Uint32N(8)), tensor.F16: 1 << (10 + r.Uint32N(5))}[d]
		}
		if r.IntN(8) == 0 {
			bits &= 0x80008000
		}
		for k := range d.Size() {
			b[at+k] = byte(bits >> (8 * k))
		}
	}
	return b
}

// FuzzVector: vector code gives the bits of the Go code, whatever the values, lengths, addresses, groups and weights.
func FuzzVector(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed, uint8(seed), uint16(seed*7), uint8(seed/3), uint8(seed/5))
	}
	f.Fuzz(func(t *testing.T, seed uint64, inputs uint8, elements uint16, manner, shift uint8) {
		r := rand.New(rand.NewPCG(seed, 1))
		d := types[seed%uint64(len(types))]
		n, count := 1+int(inputs)%20, 1+int(elements)%600
		of := meanWorker{inputs: make([]Input, n)}
		data := make([][]byte, n)
		for j := range data {
			of.inputs[j].Weight = r.Uint64N(1<<48) >> (shift % 48)
			of.total += float64(of.inputs[j].Weight)
			data[j] = draw(r, d, count, int(manner)%3)
		}
		of.total++
		segments := []tensor.Segment{{DType: d, Elements: uint64(count)}}
		want, finite := meanOf(of, kernel.Kernel{}, segments, data)
		for _, k := range kernel.All() {
			got, ok := meanOf(of, k, segments, data)
			if ok != finite {
				t.Fatalf("%s, %s: finite %t, want %t", k.Name, d, ok, finite)
			}
			if ok && !bytes.Equal(got, want) {
				t.Fatalf("%s, %s, %d inputs of %d elements:\n%x, want\n%x", k.Name, d, n, count, got, want)
			}
		}
	})
}

// meanOf takes the mean of all inputs with a kernel.
func meanOf(w meanWorker, k kernel.Kernel, segments []tensor.Segment, data [][]byte) (out []byte, finite bool) {
	w.kernel, w.out, w.acc = k, make([]byte, len(data[0])), make([]float64, max(tile, len(data[0])))
	for at, n := 0, 0; at < len(data); at += n {
		n = w.groupAt(at)
		for j := range n {
			w.in[j].data = data[at+j]
		}
		if !w.pass(segments, at, n) {
			return nil, false
		}
	}
	return w.out, true
}

// Quotients around every value of the 16-bit types are rounded as Go code does: the middle between neighbours, where ties are, the
// float64s next to it, and what overflows.
func TestVectorRounds(t *testing.T) {
	for _, d := range types {
		var acc []float64
		for h := range 1<<16 - 1 {
			a := tensor.DecodeOne([]byte{byte(h), byte(h >> 8), byte(h), byte(h >> 8)}, d)
			b := tensor.DecodeOne([]byte{byte(h + 1), byte((h + 1) >> 8), byte(h + 1), byte((h + 1) >> 8)}, d)
			middle := float64(a+b) / 2
			acc = append(acc, a, middle, math.Nextafter(middle, math.Inf(1)), math.Nextafter(middle, math.Inf(-1)))
		}
		const block = 32
		zeros := make([]byte, block*d.Size())
		segments := []tensor.Segment{{DType: d, Elements: block}}
		for _, k := range kernel.All() {
			for _, total := range []float64{1, 3, maxWeight} {
				for from := 0; from+block <= len(acc); from += block {
					round := func(k kernel.Kernel) ([]byte, bool) {
						w := meanWorker{kernel: k, inputs: make([]Input, 2), total: total, out: make([]byte, len(zeros))}
						w.acc, w.in[0].data = slices.Clone(acc[from:from+block]), zeros
						ok := w.pass(segments, 1, 1)
						return w.out, ok
					}
					want, finite := round(kernel.Kernel{})
					if got, ok := round(k); ok != finite || ok && !bytes.Equal(got, want) {
						t.Fatalf("%s, %s, %v to %v by %v: %x %t, want\n%x %t", k.Name, d, acc[from], acc[from+block-1], total, got, ok, want, finite)
					}
				}
			}
		}
	}
}

// Vector code handles all whole blocks.
func TestVectorBlocks(t *testing.T) {
	for _, k := range kernel.All() {
		w := meanWorker{kernel: k, inputs: make([]Input, 1), total: 1, out: make([]byte, 4*100)}
		w.in[0].data = make([]byte, len(w.out))
		done, finite := w.vector(0, 1, 0, 0, 100, tensor.F32)
		if done != 100/k.Block*k.Block || !finite {
			t.Errorf("%s handled %d of 100 elements, %t", k.Name, done, finite)
		}
	}
}
