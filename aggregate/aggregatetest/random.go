package aggregatetest

import "github.com/weft-mesh/weft/tensor"

// PRNG is SplitMix64 (Steele, Lea, Flood 2014). Its value is its state; any is a seed. Its
// numbers do not depend on the version of Go, as those of math/rand may.
type PRNG uint64

// Next returns the next number.
func (p *PRNG) Next() uint64 {
	*p += 0x9e3779b97f4a7c15
	z := uint64(*p)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Kind is what elements are drawn from.
type Kind int

const (
	Ordinary  Kind = iota // magnitudes from 2^-7 up to 2, as weights have
	Finite                // all finite values alike, by their bits
	Subnormal             // what lies below the type's normal range, and zeros
	Kinds                 // how many there are
)

// FractionBits returns how many bits of fraction a type has.
func FractionBits(d tensor.DType) int {
	return map[tensor.DType]int{tensor.F32: 23, tensor.F16: 10, tensor.BF16: 7}[d]
}

// Element returns the encoding of a random element.
func (p *PRNG) Element(d tensor.DType, k Kind) []byte {
	fraction := FractionBits(d)
	mask := uint64(1)<<(8*d.Size()-1-fraction) - 1 // of the exponent
	bits := p.Next()
	exponent := bits >> fraction & mask
	switch {
	case k == Ordinary:
		exponent = mask/2 - bits>>40%8
	case k == Subnormal:
		exponent = 0
	case exponent == mask: // infinity or NaN
		exponent--
	}
	bits = bits&^(mask<<fraction) | exponent<<fraction
	return []byte{byte(bits), byte(bits >> 8), byte(bits >> 16), byte(bits >> 24)}[:d.Size()]
}

// Artifact returns random elements of the given types.
func (p *PRNG) Artifact(runs []tensor.Segment, k Kind) (a Artifact) {
	for _, run := range runs {
		for range run.Elements {
			a = append(a, p.Element(run.DType, k)...)
		}
	}
	return a
}

// Round returns a random round of n updates with weights as weight gives them. If late is
// set, every third update is.
func (p *PRNG) Round(runs []tensor.Segment, n int, k Kind, late bool, weight func() uint64) Round {
	r := Round{Runs: runs, Base: p.Artifact(runs, k)}
	for j := range n {
		u := Update{Weight: weight(), Data: p.Artifact(runs, k)}
		if late && j%3 == 1 {
			u.Base = p.Artifact(runs, k)
		}
		r.Updates = append(r.Updates, u)
	}
	return r
}
