package deal

import (
	"archive/zip"
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/weft-mesh/weft/hint"
)

// arrayExt ends the name of an array's file in the archive.
const arrayExt = ".npy"

// array is an array of the file.
type array struct {
	header
	name string
	file *zip.File
}

func newArray(f *zip.File) (*array, error) {
	name, ok := strings.CutSuffix(f.Name, arrayExt)
	if !ok {
		return nil, hint.Add(fmt.Errorf("%.60q in it is no array", f.Name), "save it with numpy.savez")
	}
	a := &array{name: name, file: f}
	in, err := f.Open()
	if err != nil {
		return nil, a.within(err)
	}
	defer in.Close()
	a.header, err = readHeader(in)
	if err != nil {
		return nil, a.within(err)
	}
	return a, nil
}

// within says in which array an error is.
func (a *array) within(err error) error { return within(fmt.Sprintf("array %.60q", a.name), err) }

// pieceSize is how much of a row is read at a time: a row may be larger than the memory.
const pieceSize = 64 << 10

// each calls use for the pieces of each row in turn; a short row is one piece.
func (a *array) each(use func(row int, piece []byte) error) error {
	f, err := a.file.Open()
	if err != nil {
		return a.within(err)
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, pieceSize)
	if again, err := readHeader(in); err != nil {
		return a.within(err)
	} else if again.rows() != a.rows() || again.row() != a.row() {
		return errChanged
	}
	buf := make([]byte, min(a.row(), pieceSize))
	for i := range int(a.rows()) {
		for left := a.row(); left > 0; {
			piece := buf[:min(left, pieceSize)]
			if _, err := io.ReadFull(in, piece); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return a.within(errCutOff)
			} else if err != nil {
				return a.within(err)
			}
			if err := use(i, piece); err != nil {
				return err
			}
			left -= int64(len(piece))
		}
	}
	if _, err := in.ReadByte(); err == nil {
		return a.within(errors.New("it has more bytes than its shape says"))
	} else if !errors.Is(err, io.EOF) { // such as zip.ErrChecksum
		return a.within(err)
	}
	return nil
}

// deal writes each row to its site's writer.
func (a *array) deal(site []uint16, to []io.Writer) error {
	return a.each(func(row int, piece []byte) error {
		_, err := to[site[row]].Write(piece)
		return err
	})
}

// labels returns the array's rows as labels.
func (a *array) labels(w wish) (*labels, error) {
	t := newTally(a.name, w)
	if a.row() > 4*maxLabelLen { // NumPy's characters have four bytes
		if err := t.unfit(fmt.Errorf("a row of the %s has %d bytes, at most %d", t, a.row(), 4*maxLabelLen)); err != nil {
			return nil, err
		}
	}
	err := a.each(func(_ int, row []byte) error {
		if !t.counting() {
			t.skip()
			return nil
		}
		return t.add(a.decode(row), nil)
	})
	if err != nil {
		return nil, err
	}
	return t.done()
}

// decode writes a row as a label: a number or text as people do, anything else as its bytes in hex.
func (h *header) decode(row []byte) string {
	var order binary.ByteOrder = binary.LittleEndian
	if h.order == '>' {
		order = binary.BigEndian
	}
	if int64(len(row)) != h.size { // several elements
		return hex.EncodeToString(row)
	}
	switch h.kind {
	case 'b', 'u':
		if n, ok := unsigned(order, row); ok {
			return strconv.FormatUint(n, 10)
		}
	case 'i':
		if n, ok := unsigned(order, row); ok {
			unused := 64 - 8*len(row)
			return strconv.FormatInt(int64(n<<unused)>>unused, 10)
		}
	case 'f':
		if n, ok := unsigned(order, row); ok && len(row) == 4 {
			return strconv.FormatFloat(float64(math.Float32frombits(uint32(n))), 'g', -1, 32)
		} else if ok && len(row) == 8 {
			return strconv.FormatFloat(math.Float64frombits(n), 'g', -1, 64)
		}
	case 'S':
		return strings.TrimRight(string(row), "\x00")
	case 'U':
		var b strings.Builder
		for at := 0; at < len(row); at += 4 {
			b.WriteRune(rune(order.Uint32(row[at:]))) // an invalid one becomes U+FFFD
		}
		return strings.TrimRight(b.String(), "\x00")
	}
	return hex.EncodeToString(row)
}

// unsigned returns the number that so many bytes are.
func unsigned(order binary.ByteOrder, b []byte) (uint64, bool) {
	switch len(b) {
	case 1:
		return uint64(b[0]), true
	case 2:
		return uint64(order.Uint16(b)), true
	case 4:
		return uint64(order.Uint32(b)), true
	case 8:
		return order.Uint64(b), true
	}
	return 0, false
}
