//go:build !purego

package kernel

import "golang.org/x/sys/cpu"

var useAVX2 = cpu.X86.HasAVX2 && cpu.X86.HasFMA

// Name says which kernels run: "avx2", "neon" or "go".
func Name() string {
	if useAVX2 {
		return "avx2"
	}
	return "go"
}

// runTile computes one tile; see tileGo.
func runTile(rows, width, k int, a []float32, rs, cs int, b, c []float32, ldc int, add bool) {
	if useAVX2 {
		asmTile(rows, width, k, a, rs, cs, b, c, ldc, add)
		return
	}
	tileGo(rows, width, k, a, rs, cs, b, c, ldc, add)
}
