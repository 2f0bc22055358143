//go:build !purego

package kernel

// All returns the kinds that this processor has: every arm64 has NEON.
func All() []Kernel { return []Kernel{{"neon", 16}} }

// mean is Mean for whole blocks.
func (Kernel) mean(t Type, out *byte, acc *float64, x *[]byte, w *float64, inputs, n int, total float64, first bool) bool {
	switch t {
	case F32:
		return meanF32NEON(out, acc, x, w, inputs, n, total, first)
	case F16:
		return meanF16NEON(out, acc, x, w, inputs, n, total, first)
	}
	return meanBF16NEON(out, acc, x, w, inputs, n, total, first)
}

func (Kernel) finite(t Type, p *byte, n int) bool {
	if t == F32 {
		return finite32NEON(p, n, t.exponents())
	}
	return finite16NEON(p, n, t.exponents())
}
