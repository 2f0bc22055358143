//go:build !purego

package kernel

import "golang.org/x/sys/cpu"

var useAVX2 = cpu.X86.HasAVX2 && cpu.X86.HasFMA

// Name says which kernels run: "avx2" or "go".
func Name() string {
	if useAVX2 {
		return "avx2"
	}
	return "go"
}

// runTile computes one tile; see tileGo. The switch, unlike a table, lets the compiler
// see that nothing escapes.
func runTile(rows, width, k int, a []float32, rs, cs int, b, c []float32, ldc int, add bool) {
	if !useAVX2 {
		tileGo(rows, width, k, a, rs, cs, b, c, ldc, add)
		return
	}
	pa, pb, pc := &a[0], &b[0], &c[0]
	if width == panel {
		switch rows {
		case 6:
			tile6x16(k, pa, rs, cs, pb, pc, ldc, add)
		case 5:
			tile5x16(k, pa, rs, cs, pb, pc, ldc, add)
		case 4:
			tile4x16(k, pa, rs, cs, pb, pc, ldc, add)
		case 3:
			tile3x16(k, pa, rs, cs, pb, pc, ldc, add)
		case 2:
			tile2x16(k, pa, rs, cs, pb, pc, ldc, add)
		case 1:
			tile1x16(k, pa, rs, cs, pb, pc, ldc, add)
		}
		return
	}
	switch rows {
	case 6:
		tile6x8(k, pa, rs, cs, pb, pc, ldc, add)
	case 5:
		tile5x8(k, pa, rs, cs, pb, pc, ldc, add)
	case 4:
		tile4x8(k, pa, rs, cs, pb, pc, ldc, add)
	case 3:
		tile3x8(k, pa, rs, cs, pb, pc, ldc, add)
	case 2:
		tile2x8(k, pa, rs, cs, pb, pc, ldc, add)
	case 1:
		tile1x8(k, pa, rs, cs, pb, pc, ldc, add)
	}
}
