//go:build (!amd64 && !arm64) || purego

package kernel

// Name says which kernels run: "avx2", "neon" or "go".
func Name() string { return "go" }

func runTile(rows, width, k int, a []float32, rs, cs int, b, c []float32, ldc int, add bool) {
	tileGo(rows, width, k, a, rs, cs, b, c, ldc, add)
}
