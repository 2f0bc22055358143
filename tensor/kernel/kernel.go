package kernel

// Kernel is a kind of vector code; the zero one is none.
type Kernel struct {
	// Name is "avx512", "avx2" or "neon", "" for none.
	Name string
	// Block is how many elements Mean handles at a time.
	Block int
}

// Best is the fastest kind that this processor has.
var Best = append(All(), Kernel{})[0]

// Type is a type of elements.
type Type int

// The types, as package tensor has them.
const (
	F32 Type = iota
	F16
	BF16
)

// size returns the bytes of an element.
func (t Type) size() int {
	if t == F32 {
		return 4
	}
	return 2
}

// exponents returns all bits of the exponents of the elements in four bytes.
func (t Type) exponents() uint32 {
	return [...]uint32{F32: 0x7f800000, F16: 0x7c007c00, BF16: 0x7f807f80}[t]
}

// Mean adds the elements of the inputs x, of equal sizes, times their weights w, to sums, which begin as +0 if first, else as what
// acc holds. If out is nil the sums go to acc; else they are divided by total and rounded to out, and acc may be nil if first. It
// handles whole blocks, the first done elements, and returns whether all that it wrote to out is finite; acc and out are
// unspecified for the others.
func (k Kernel) Mean(t Type, out []byte, acc []float64, x [][]byte, w []float64, total float64, first bool) (done int, finite bool) {
	if k.Block == 0 || len(x) == 0 {
		return 0, true
	}
	size, w := len(x[0]), w[:len(x)]
	for _, b := range x {
		if len(b) != size {
			panic("kernel: inputs of different sizes")
		}
	}
	done = size / t.size() / k.Block * k.Block
	if done == 0 {
		return 0, true
	}
	var sums *float64
	if out == nil || !first {
		sums = &acc[:done][0]
	}
	var to *byte
	if out != nil {
		to = &out[:done*t.size()][0]
	}
	return done, k.mean(t, to, sums, &x[0], &w[0], len(x), done, total, first)
}

// Finite returns how many bytes from the first on, elements of one type, it has seen to be finite: whole blocks, and none if one
// of them has an infinity or a NaN.
func (k Kernel) Finite(t Type, b []byte) (done int) {
	const block = 128
	if done = len(b) / block * block; k.Block == 0 || done == 0 || !k.finite(t, &b[0], done) {
		return 0
	}
	return done
}
