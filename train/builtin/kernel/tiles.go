//go:build (amd64 || arm64) && !purego

package kernel

// asmTile computes one tile in assembly. The switch, unlike a table, lets the compiler see
// that nothing escapes.
func asmTile(rows, width, k int, a []float32, rs, cs int, b, c []float32, ldc int, add bool) {
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
