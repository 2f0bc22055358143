package tensor

import "math"

// F16ToFloat32 returns the value of binary16 bits, exactly; NaNs keep sign and payload.
func F16ToFloat32(h uint16) float32 {
	sign, magnitude := uint32(h&0x8000)<<16, uint32(h&0x7fff)
	switch {
	case magnitude >= expF16: // infinity or NaN
		return math.Float32frombits(sign | expF32 | magnitude<<13)
	case magnitude < 1<<10: // zero or subnormal: a multiple of 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(magnitude)*0x1p-24))
	}
	return math.Float32frombits(sign | (magnitude<<13 + (127-15)<<23))
}

// BF16ToFloat32 returns the value of bfloat16 bits, exactly.
func BF16ToFloat32(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// Float64ToF16 returns the binary16 bits nearest to x, ties to even. What lies beyond the
// largest finite value by half a step or more becomes an infinity; a NaN becomes the quiet
// NaN of its sign.
func Float64ToF16(x float64) uint16 {
	const (
		dropped = 52 - 10           // bits of fraction that binary16 lacks
		rebias  = (1023 - 15) << 10 // difference of the exponents' biases, in place
		// Adding the magic number makes float64's last bit worth the smallest binary16
		// subnormal (2^-24), so the addition itself rounds, once and to even.
		magic = 0x1p28
	)
	sign, bits := split(x)
	switch {
	case bits > infBits:
		return sign | 0x7e00
	case bits < uint64((1023-14)<<52): // below 2^-14, the smallest normal
		return sign | uint16(math.Float64bits(math.Float64frombits(bits)+magic))
	}
	// A carry out of the fraction goes into the exponent, which is what rounding up to
	// the next power of two means.
	h := round(bits, dropped) - rebias
	return sign | uint16(min(h, expF16))
}

// Float64ToBF16 returns the bfloat16 bits nearest to x, ties to even; overflow and NaN as
// in Float64ToF16.
func Float64ToBF16(x float64) uint16 {
	const (
		dropped = 52 - 7
		rebias  = (1023 - 127) << 7
		magic   = 0x1p-81 // its last bit is worth 2^-133, the smallest subnormal
	)
	sign, bits := split(x)
	switch {
	case bits > infBits:
		return sign | 0x7fc0
	case bits < uint64((1023-126)<<52): // below 2^-126, the smallest normal
		return sign | uint16(math.Float64bits(math.Float64frombits(bits)+magic))
	}
	h := round(bits, dropped) - rebias
	return sign | uint16(min(h, expBF16))
}

// infBits is float64's infinity; larger magnitudes are NaNs.
const infBits = 0x7ff << 52

// split returns the sign of x in bit 15 and the bits of its magnitude.
func split(x float64) (sign uint16, magnitude uint64) {
	b := math.Float64bits(x)
	return uint16(b >> 48 & 0x8000), b &^ (1 << 63)
}

// round shifts n low bits out of b, to nearest, ties to even.
func round(b uint64, n uint) uint64 {
	return (b + 1<<(n-1) - 1 + b>>n&1) >> n
}
