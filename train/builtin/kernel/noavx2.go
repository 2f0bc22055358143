//go:build !amd64 || purego

package kernel

const useAVX2 = false

const noAVX2 = "kernel: no AVX2 here"

// With useAVX2 false the compiler drops every call of these.

func dotAVX2(x *float32, y *float32, n int) float32 { panic(noAVX2) }

func dot3AVX2(x *float32, y *float32, z *float32, n int) float32 { panic(noAVX2) }

func maxAVX2(x *float32, n int) float32 { panic(noAVX2) }

func addAVX2(y *float32, x *float32, n int) { panic(noAVX2) }

func scaleAVX2(x *float32, n int, s float32) { panic(noAVX2) }

func scaleMulAVX2(y *float32, x *float32, w *float32, n int, s float32) { panic(noAVX2) }

func addMulAVX2(y *float32, x *float32, w *float32, n int, s float32) { panic(noAVX2) }

func normBackAVX2(dx *float32, dy *float32, w *float32, x *float32, n int, r float32, c float32) {
	panic(noAVX2)
}

func rotateAVX2(x *float32, y *float32, cos *float32, sin *float32, n int) { panic(noAVX2) }

func expSumAVX2(x *float32, n int, top float32, scale float32) float32 { panic(noAVX2) }

func softmaxBackAVX2(ds *float32, p *float32, n int, mean float32, scale float32) { panic(noAVX2) }

func swiGLUAVX2(h *float32, gate *float32, up *float32, n int) { panic(noAVX2) }

func swiGLUBackAVX2(dgate *float32, dup *float32, dh *float32, gate *float32, up *float32, n int) {
	panic(noAVX2)
}

func adamAVX2(w *float32, m *float32, v *float32, grad *float32, n int, b1 float32, b2 float32, lr float32, eps float32, keep float32) {
	panic(noAVX2)
}
