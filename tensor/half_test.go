package tensor

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/big"
	"math/rand/v2"
	"sort"
	"testing"
)

// half describes a 16-bit type for a slow reference that follows the definition only.
type half struct {
	name     string
	fraction uint // bits of fraction
	bias     int
	decode   func(uint16) float32
	encode   func(float64) uint16
}

var halves = []half{
	{"F16", 10, 15, F16ToFloat32, Float64ToF16},
	{"BF16", 7, 127, BF16ToFloat32, Float64ToBF16},
}

// inf is the bits of +infinity.
func (d half) inf() uint16 { return uint16(1<<(15-d.fraction)-1) << d.fraction }

// value is sign * significand * 2^exponent as IEEE 754 section 3.4 defines it.
func (d half) value(h uint16) float64 {
	exponent, fraction := int(h&0x7fff>>d.fraction), float64(h&(1<<d.fraction-1))
	x := math.Ldexp(fraction, 1-d.bias-int(d.fraction))
	if exponent > 0 {
		x = math.Ldexp(fraction+float64(uint(1)<<d.fraction), exponent-d.bias-int(d.fraction))
	}
	if h&0x7fff == d.inf() {
		x = math.Inf(1)
	} else if h&0x7fff > d.inf() {
		x = math.NaN()
	}
	if h&0x8000 != 0 {
		x = -x
	}
	return x
}

func TestDecodeEveryHalf(t *testing.T) {
	for _, d := range halves {
		for i := range 1 << 16 {
			h := uint16(i)
			want, got := d.value(h), d.decode(h)
			if math.IsNaN(want) {
				if got == got || !math.IsNaN(float64(d.decode(d.encode(float64(got))))) {
					t.Fatalf("%s %#04x: %v, want NaN", d.name, h, got)
				}
				continue
			}
			if math.Float32bits(got) != math.Float32bits(float32(want)) || float64(float32(want)) != want {
				t.Fatalf("%s %#04x: %v, want %v", d.name, h, got, want)
			}
			if back := d.encode(float64(got)); back != h {
				t.Fatalf("%s %#04x: encodes back as %#04x", d.name, h, back)
			}
		}
	}
}

func TestWiden(t *testing.T) {
	src := make([]byte, 2<<16)
	for i := range 1 << 16 {
		binary.LittleEndian.PutUint16(src[2*i:], uint16(i))
	}
	for _, d := range halves {
		dst := make([]byte, 4<<16)
		Widen(dst, src, DType(d.name))
		for i := range 1 << 16 {
			if want, got := math.Float32bits(d.decode(uint16(i))), binary.LittleEndian.Uint32(dst[4*i:]); got != want {
				t.Fatalf("%s %#04x: %#08x, want %#08x", d.name, i, got, want)
			}
		}
		same := make([]byte, len(dst))
		if Widen(same, dst, F32); !bytes.Equal(same, dst) {
			t.Error("F32 changes")
		}
	}
}

// Rounding is monotone, so the midpoints between neighbours and the floats next to them
// settle it for every float64.
func TestRoundAtEveryMidpoint(t *testing.T) {
	for _, d := range halves {
		for h := uint16(0); h < d.inf(); h++ {
			low := d.value(h)
			high := 2*low - d.value(max(h, 1)-1) // past the largest finite value: where the next would be
			if h+1 < d.inf() {
				high = d.value(h + 1)
			}
			middle := (low + high) / 2 // exact: one bit more than the type has
			even := h + h&1
			for x, want := range map[float64]uint16{
				middle:                              even,
				math.Nextafter(middle, math.Inf(1)): h + 1,
				math.Nextafter(middle, 0):           h,
			} {
				if got := d.encode(x); got != want {
					t.Fatalf("%s: %b rounds to %#04x, want %#04x", d.name, x, got, want)
				}
				if got := d.encode(-x); got != want|0x8000 {
					t.Fatalf("%s: %b rounds to %#04x, want %#04x", d.name, -x, got, want|0x8000)
				}
			}
		}
	}
}

// nearest is the slow reference: the closest of all finite values by exact arithmetic.
func (d half) nearest(x float64) uint16 {
	sign := uint16(0)
	if math.Signbit(x) {
		sign, x = 0x8000, -x
	}
	high := uint16(sort.Search(int(d.inf()), func(h int) bool { return d.value(uint16(h)) >= x }))
	if high == 0 {
		return sign
	}
	low := high - 1
	exact := func(h uint16) *big.Rat {
		if h == d.inf() { // one step past the largest finite value
			step := new(big.Rat).Sub(new(big.Rat).SetFloat64(d.value(h-1)), new(big.Rat).SetFloat64(d.value(h-2)))
			return step.Add(step, new(big.Rat).SetFloat64(d.value(h-1)))
		}
		return new(big.Rat).SetFloat64(d.value(h))
	}
	v := new(big.Rat).SetFloat64(x)
	down, up := new(big.Rat).Sub(v, exact(low)), new(big.Rat).Sub(exact(high), v)
	switch c := down.Cmp(up); {
	case c < 0, c == 0 && low&1 == 0:
		return sign | low
	}
	return sign | high
}

func TestRoundLikeExactArithmetic(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, d := range halves {
		for range 20000 {
			x := math.Float64frombits(random.Uint64())
			if random.IntN(4) > 0 { // most random bits overflow or vanish: aim at the type's range
				x = math.Ldexp(random.Float64()-0.5, random.IntN(2*d.bias+30)-d.bias-25)
			}
			if math.IsNaN(x) || math.IsInf(x, 0) {
				continue
			}
			if got, want := d.encode(x), d.nearest(x); got != want {
				t.Fatalf("%s: %b rounds to %#04x, want %#04x", d.name, x, got, want)
			}
		}
	}
}

// A float64 just above a float32 that is a tie: rounding through float32 loses the excess
// and goes the wrong way.
func TestRoundsOnce(t *testing.T) {
	for _, d := range halves {
		x := 1 + math.Ldexp(1, -int(d.fraction)-1) + 0x1p-40
		one := d.encode(1)
		if twice := d.encode(float64(float32(x))); twice != one {
			t.Fatalf("%s: the example is no example, %#04x", d.name, twice)
		}
		if got := d.encode(x); got != one+1 {
			t.Errorf("%s: %#04x, want %#04x", d.name, got, one+1)
		}
	}
}
