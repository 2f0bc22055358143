//go:build !purego

package kernel

// Name says which kernels run: "avx2", "neon" or "go".
func Name() string { return "neon" }

// runTile computes one tile; see tileGo. Every arm64 processor has NEON.
func runTile(rows, width, k int, a []float32, rs, cs int, b, c []float32, ldc int, add bool) {
	asmTile(rows, width, k, a, rs, cs, b, c, ldc, add)
}
