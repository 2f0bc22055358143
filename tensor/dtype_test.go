package tensor

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

var all = []DType{F32, F16, BF16}

func TestSizes(t *testing.T) {
	for d, want := range map[DType]int{F32: 4, F16: 2, BF16: 2, F64: 8, I64: 8, I32: 4, U16: 2, Bool: 1, "F8_E4M3": 0, "": 0} {
		if d.Size() != want || d.Valid() != (want > 0) {
			t.Errorf("%q: size %d, valid %t", d, d.Size(), d.Valid())
		}
	}
}

func TestBulkAgreesWithSingle(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, d := range all {
		src := make([]float64, 1001)
		for i := range src {
			src[i] = random.NormFloat64() * math.Ldexp(1, random.IntN(30)-20)
		}
		data := make([]byte, len(src)*d.Size())
		if i := Encode(data, src, d); i >= 0 {
			t.Fatalf("%s: %v has no encoding", d, src[i])
		}
		wide, narrow := make([]float64, len(src)), make([]float32, len(src))
		Decode(wide, data, d)
		Decode(narrow, data, d)
		for i, x := range src {
			one := make([]byte, d.Size())
			if at := data[i*d.Size():]; Encode(one, []float64{x}, d) >= 0 || !bytes.HasPrefix(at, one) || DecodeOne(at, d) != wide[i] || wide[i] != float64(narrow[i]) {
				t.Fatalf("%s: element %d, %v: put %x, get %v, decoded %v and %v", d, i, x, one, DecodeOne(at, d), wide[i], narrow[i])
			}
		}
		again := make([]byte, len(data))
		if i := Encode(again, narrow, d); i >= 0 || !bytes.Equal(again, data) {
			t.Errorf("%s: from float32 the bytes differ", d)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	largest := map[DType]float64{F32: math.MaxFloat32, F16: 65504, BF16: 0x1.fep127}
	half := map[DType]float64{F32: 0x1p103, F16: 16, BF16: 0x1p119} // half a step above it
	for _, d := range all {
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), largest[d] + half[d], -largest[d] - half[d]} {
			dst := make([]byte, 3*d.Size())
			if i := Encode(dst, []float64{1, bad, 2}, d); i != 1 {
				t.Errorf("%s: %v refused at %d", d, bad, i)
			}
			if DecodeOne(dst, d) != 1 || Encode(dst[:d.Size()], []float64{bad}, d) < 0 || DecodeOne(dst, d) != 1 {
				t.Errorf("%s: %v left %x", d, bad, dst)
			}
		}
		below := math.Nextafter(largest[d]+half[d], 0)
		dst := make([]byte, d.Size())
		if Encode(dst, []float64{below}, d) >= 0 || DecodeOne(dst, d) != largest[d] {
			t.Errorf("%s: %v gives %v, want the largest", d, below, DecodeOne(dst, d))
		}
	}
}

func TestNonFinite(t *testing.T) {
	bad := map[DType][][]byte{
		F32:  {{0, 0, 0x80, 0x7f}, {0, 0, 0x80, 0xff}, {1, 0, 0x80, 0x7f}, {0xff, 0xff, 0xff, 0xff}},
		F16:  {{0, 0x7c}, {0, 0xfc}, {1, 0x7c}, {0xff, 0xff}},
		BF16: {{0x80, 0x7f}, {0x80, 0xff}, {0x81, 0x7f}, {0xff, 0xff}},
	}
	good := map[DType][]byte{F32: {0xff, 0xff, 0x7f, 0xff}, F16: {0xff, 0xfb}, BF16: {0x7f, 0xff}} // most negative
	for _, d := range all {
		for n := range 12 {
			src := bytes.Repeat(good[d], n)
			if i := NonFinite(src, d); i != -1 {
				t.Fatalf("%s: finite element %d of %d refused", d, i, n)
			}
			for at := range n {
				for _, b := range bad[d] {
					copy(src[at*d.Size():], b)
					if i := NonFinite(src, d); i != at {
						t.Fatalf("%s: %x at %d of %d found at %d", d, b, at, n, i)
					}
					copy(src[at*d.Size():], good[d])
				}
			}
		}
	}
}

func TestPanicsOnWrongLengths(t *testing.T) {
	for name, f := range map[string]func(){
		"short source":   func() { Decode(make([]float64, 2), make([]byte, 4), F32) },
		"long target":    func() { Encode(make([]byte, 6), []float32{1}, F16) },
		"half element":   func() { NonFinite(make([]byte, 3), BF16) },
		"unknown type":   func() { Decode(make([]float32, 1), make([]byte, 8), "F128") },
		"no weights":     func() { Decode(make([]float32, 1), make([]byte, 8), I64) },
		"unknown single": func() { DecodeOne(make([]byte, 8), "F8") },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, d := range all {
		b.Run(fmt.Sprint(d), func(b *testing.B) {
			src, dst := make([]byte, 1<<20), make([]float64, 1<<20/d.Size())
			Encode(src, ramp(len(dst)), d)
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				Decode(dst, src, d)
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, d := range all {
		b.Run(fmt.Sprint(d), func(b *testing.B) {
			dst := make([]byte, 1<<20)
			src := ramp(len(dst) / d.Size())
			b.SetBytes(int64(len(dst)))
			for b.Loop() {
				Encode(dst, src, d)
			}
		})
	}
}

func BenchmarkNonFinite(b *testing.B) {
	src := make([]byte, 1<<20)
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		NonFinite(src, F32)
	}
}

func ramp(n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = float64(i%2001-1000) / 1024
	}
	return x
}

// FuzzNonFinite: what vector code finds is what looking at each element finds, at all lengths and addresses.
func FuzzNonFinite(f *testing.F) {
	for seed := range uint64(100) {
		f.Add(seed, uint16(seed*11), seed%3 > 0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, elements uint16, spoil bool) {
		r := rand.New(rand.NewPCG(seed, 2))
		d, from, n := all[seed%uint64(len(all))], r.IntN(64), int(elements)%1200
		src := make([]byte, from+n*d.Size())[from:]
		for i := range n {
			for k := range d.Size() {
				src[i*d.Size()+k] = byte(r.Uint32())
			}
			src[(i+1)*d.Size()-1] &^= 4 << (r.Uint32N(3)) // of every exponent, one bit is 0
		}
		if spoil && n > 0 {
			at := r.IntN(n) * d.Size()
			src[at+d.Size()-2] |= 0x80
			src[at+d.Size()-1] |= 0x7f
		}
		want := -1
		for i := 0; i < n && want < 0; i++ {
			if x := DecodeOne(src[i*d.Size():], d); math.IsNaN(x) || math.IsInf(x, 0) {
				want = i
			}
		}
		if got := NonFinite(src, d); got != want {
			t.Fatalf("%s, %d elements: %d, want %d", d, n, got, want)
		}
	})
}
