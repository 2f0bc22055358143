//go:build !purego

package kernel

import "golang.org/x/sys/cpu"

// All returns the kinds that this processor has, the fastest first.
func All() (all []Kernel) {
	x := &cpu.X86
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX2 {
		all = append(all, Kernel{"avx512", 32})
	}
	if x.HasAVX2 && f16c() {
		all = append(all, Kernel{"avx2", 16})
	}
	return all
}

// mean is Mean for whole blocks. The switch, unlike a table, lets the compiler see that nothing escapes.
func (k Kernel) mean(t Type, out *byte, acc *float64, x *[]byte, w *float64, inputs, n int, total float64, first bool) bool {
	wide := k.Block == 32
	switch {
	case t == F32 && wide:
		return meanF32AVX512(out, acc, x, w, inputs, n, total, first)
	case t == F16 && wide:
		return meanF16AVX512(out, acc, x, w, inputs, n, total, first)
	case wide:
		return meanBF16AVX512(out, acc, x, w, inputs, n, total, first)
	case t == F32:
		return meanF32AVX2(out, acc, x, w, inputs, n, total, first)
	case t == F16:
		return meanF16AVX2(out, acc, x, w, inputs, n, total, first)
	}
	return meanBF16AVX2(out, acc, x, w, inputs, n, total, first)
}

func (Kernel) finite(t Type, p *byte, n int) bool {
	if t == F32 {
		return finite32AVX2(p, n, t.exponents())
	}
	return finite16AVX2(p, n, t.exponents())
}
