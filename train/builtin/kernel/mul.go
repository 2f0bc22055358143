package kernel

// TileRows is the height of a tile. A triangular product may read A up to TileRows-1 elements
// beyond its diagonal; the caller keeps zeros there.
const TileRows = 6

// Shape says which part of a product is wanted or can be other than zero. With a
// causal mask half of attention's products are known beforehand.
type Shape int

const (
	Full   Shape = iota
	LowerC       // C is wanted on and below its diagonal; elsewhere it may be written or not
	LowerA       // A is zero above its diagonal
	UpperA       // A is zero below its diagonal
)

// Mul computes C = A·B, or C += A·B with add. C's rows are contiguous; C overlaps
// neither A nor B. It panics if sizes do not match.
func Mul(c, a Mat, b *Packed, add bool, shape Shape) {
	c.check("C")
	a.check("A")
	if c.ColStride != 1 || a.Rows != c.Rows || a.Cols != b.rows || b.cols != c.Cols {
		panic("kernel: sizes of a product do not match")
	}
	for j := 0; j < c.Cols; j += panel {
		width := panel
		if c.Cols-j <= half {
			width = half
		}
		bp := b.data[j*b.rows:][:b.rows*width]
		i := 0
		if shape == LowerC {
			i = firstTile(c.Rows, j)
		}
		for i < c.Rows {
			rows := tileRows(c.Rows - i)
			lo, hi := 0, a.Cols
			switch shape {
			case LowerA:
				hi = min(hi, i+rows)
			case UpperA:
				lo = min(i, hi-1)
			}
			tile(c, a, bp, i, j, rows, width, lo, hi, add)
			i += rows
		}
	}
}

// tileRows returns how many of the rows left the next tile takes: six, but 8 are 4+4,
// because a tile of two rows has too few accumulators to hide the latency of FMA.
func tileRows(left int) int {
	if left == TileRows+2 {
		return 4
	}
	return min(left, TileRows)
}

// firstTile returns where the tile that holds row begins.
func firstTile(rows, row int) int {
	i := 0
	for i < rows {
		n := tileRows(rows - i)
		if i+n > row {
			break
		}
		i += n
	}
	return i
}

// tile computes C[i:i+rows, j:j+width] over the inner indices lo to hi. Where C ends
// before the panel does, the tile goes by way of a buffer.
func tile(c, a Mat, b []float32, i, j, rows, width, lo, hi int, add bool) {
	as := a.Data[i*a.RowStride+lo*a.ColStride:]
	b = b[lo*width : hi*width]
	cols := c.Cols - j
	if cols >= width {
		runTile(rows, width, hi-lo, as, a.RowStride, a.ColStride, b, c.Data[i*c.RowStride+j:], c.RowStride, add)
		return
	}
	var buf [TileRows * panel]float32
	runTile(rows, width, hi-lo, as, a.RowStride, a.ColStride, b, buf[:], width, false)
	for r := range rows {
		row := c.Data[(i+r)*c.RowStride+j:][:cols]
		for q := range row {
			if !add {
				row[q] = 0
			}
			row[q] += buf[r*width+q]
		}
	}
}
