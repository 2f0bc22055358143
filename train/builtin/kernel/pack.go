package kernel

// panel is the number of columns that lie together in a Packed matrix, and half the
// width of the last one where no more are left.
const (
	panel = 16
	half  = panel / 2
)

// Packed is a matrix laid out for the right-hand side of Mul: panels of 16 columns, row
// by row, the last padded with zeros to 8 or 16. It may be read by many goroutines at once.
// The zero Packed is ready for Pack.
type Packed struct {
	rows, cols int
	data       []float32
}

// Pack copies m; memory of an earlier Pack is used again.
func (p *Packed) Pack(m Mat) {
	m.check("packed matrix")
	p.rows, p.cols = m.Rows, m.Cols
	size := m.Rows * ((m.Cols + half - 1) / half * half)
	if cap(p.data) < size {
		p.data = make([]float32, size)
	}
	p.data = p.data[:size]
	for j := 0; j < m.Cols; j += panel {
		width := panel
		if m.Cols-j <= half {
			width = half
		}
		dst := p.data[j*m.Rows:][:m.Rows*width]
		switch {
		case m.Cols-j >= width && m.ColStride == 1:
			packRows(dst, m, j, width)
		case m.Cols-j >= width && m.RowStride == 1:
			packColumns(dst, m, j, width)
		default:
			packPadded(dst, m, j, width)
		}
	}
}

// packRows copies whole rows of a panel.
func packRows(dst []float32, m Mat, j, width int) {
	if width == panel {
		for i := range m.Rows {
			*(*[panel]float32)(dst[i*panel:]) = *(*[panel]float32)(m.Data[i*m.RowStride+j:])
		}
		return
	}
	for i := range m.Rows {
		*(*[half]float32)(dst[i*half:]) = *(*[half]float32)(m.Data[i*m.RowStride+j:])
	}
}

// packColumns transposes four columns at a time, each contiguous in m.
func packColumns(dst []float32, m Mat, j, width int) {
	for q := 0; q < width; q += 4 {
		o := (j + q) * m.ColStride
		c0 := m.Data[o:][:m.Rows]
		c1 := m.Data[o+m.ColStride:][:m.Rows]
		c2 := m.Data[o+2*m.ColStride:][:m.Rows]
		c3 := m.Data[o+3*m.ColStride:][:m.Rows]
		for i := range c0 {
			*(*[4]float32)(dst[i*width+q:]) = [4]float32{c0[i], c1[i], c2[i], c3[i]}
		}
	}
}

func packPadded(dst []float32, m Mat, j, width int) {
	clear(dst)
	for i := range m.Rows {
		for q := range min(width, m.Cols-j) {
			dst[i*width+q] = m.Data[i*m.RowStride+(j+q)*m.ColStride]
		}
	}
}
