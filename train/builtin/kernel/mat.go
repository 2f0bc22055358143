package kernel

import "fmt"

// Mat is a matrix of float32 in memory that it does not own: element (i, j) is
// Data[i*RowStride + j*ColStride].
type Mat struct {
	Data                 []float32
	Rows, Cols           int
	RowStride, ColStride int
}

// M returns data as a dense row-major matrix.
func M(data []float32, rows, cols int) Mat {
	return Mat{data, rows, cols, cols, 1}
}

// T returns the transpose, of the same memory.
func (m Mat) T() Mat {
	return Mat{m.Data, m.Cols, m.Rows, m.ColStride, m.RowStride}
}

// Columns returns columns lo to hi, of the same memory.
func (m Mat) Columns(lo, hi int) Mat {
	m.Data = m.Data[lo*m.ColStride:]
	m.Cols = hi - lo
	return m
}

// check panics unless every element lies within Data: a wrong shape is a bug of the
// caller, and assembly would write past the end.
func (m Mat) check(name string) {
	if m.Rows <= 0 || m.Cols <= 0 || m.RowStride < 0 || m.ColStride < 0 ||
		(m.Rows-1)*m.RowStride+(m.Cols-1)*m.ColStride >= len(m.Data) {
		panic(fmt.Sprintf("kernel: %s of %d×%d with strides %d, %d does not fit %d elements",
			name, m.Rows, m.Cols, m.RowStride, m.ColStride, len(m.Data)))
	}
}
