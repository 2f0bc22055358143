package deal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/weft-mesh/weft/hint"
)

// header describes an array and stands in front of its elements, in NumPy's format for files (numpy.lib.format).
type header struct {
	descr string  // the elements' type, as it is written
	kind  byte    // of element, such as 'i'; 0 if it has fields
	order byte    // of an element's bytes: '<', '>', '=' or '|'
	size  int64   // of an element
	shape []int64 // the first is the number of rows
	bytes int64   // of the header
}

const (
	magic     = "\x93NUMPY"
	maxHeader = 10_000  // as NumPy itself has it
	maxBytes  = 1 << 40 // of an array's elements, and of one; so products do not overflow
)

// readHeader reads a header.
func readHeader(in io.Reader) (header, error) {
	h := header{}
	text, err := h.read(in)
	if err != nil {
		return h, err
	}
	d, err := parseDict(text)
	if err != nil {
		return h, fmt.Errorf("its header: %w", err)
	}
	descr, hasDescr := d["descr"]
	fortran, isBool := d["fortran_order"].value.(bool)
	shape, isTuple := d["shape"].value.(tuple)
	if !hasDescr || !isBool || !isTuple || len(d) != 3 {
		return h, fmt.Errorf("its header has not descr, fortran_order and shape, but %.60q", text)
	}
	if fortran && len(shape) > 1 {
		return h, hint.Add(errors.New("it is in Fortran's order, in which rows are not in one piece"), "save numpy.ascontiguousarray of it")
	}
	h.descr = descr.text
	if err := h.setType(descr.value); err != nil {
		return h, err
	}
	return h, h.setShape(shape)
}

// read reads the header's text, of any version.
func (h *header) read(in io.Reader) (string, error) {
	var b [12]byte
	front := b[:10]
	if _, err := io.ReadFull(in, front); err != nil || string(b[:6]) != magic {
		return "", errors.New("it does not begin as NumPy's arrays do")
	}
	size := int64(binary.LittleEndian.Uint16(b[8:]))
	if version := b[6]; version == 2 || version == 3 {
		front = b[:]
		if _, err := io.ReadFull(in, b[10:]); err != nil {
			return "", errCutOff
		}
		size = int64(binary.LittleEndian.Uint32(b[8:]))
	} else if version != 1 {
		return "", hint.Add(fmt.Errorf("it has version %d of NumPy's format, want 1 to 3", version), "save it with another NumPy")
	}
	if size > maxHeader {
		return "", fmt.Errorf("its header has %d bytes, at most %d", size, maxHeader)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(in, text); err != nil {
		return "", errCutOff
	}
	for _, c := range text {
		if c > '~' { // the versions write other characters in different ways
			return "", hint.Add(errors.New("its header is not plain ASCII"), "give fields plain names")
		}
	}
	h.bytes = int64(len(front)) + size
	return string(text), nil
}

var errCutOff = hint.Add(errors.New("it ends too soon"), "copy or save the file again")

// elementType is a type without fields: the bytes' order, the kind, its size or length, and a unit of time.
var elementType = regexp.MustCompile(`^([<>=|])([biufcmMSUV])(\d{1,10})(\[\w+\])?$`)

// setType takes the type of elements.
func (h *header) setType(descr any) (err error) {
	if text, ok := descr.(string); ok {
		if m := elementType.FindStringSubmatch(text); m != nil {
			h.order, h.kind = m[1][0], m[2][0]
		}
	}
	h.size, err = sizeOf(descr)
	return err
}

// sizeOf returns how many bytes an element of a type takes.
func sizeOf(descr any) (int64, error) {
	switch d := descr.(type) {
	case string:
		m := elementType.FindStringSubmatch(d)
		if m == nil {
			if strings.TrimLeft(d, "<>=|") == "O" {
				return 0, hint.Add(errors.New("its elements are objects of Python, which only Python can read"), "give the array a dtype, as by astype")
			}
			return 0, fmt.Errorf("dtype %.60q is not known", d)
		}
		n, err := strconv.ParseInt(m[3], 10, 64)
		if m[2] == "U" {
			n *= 4 // bytes of a character
		}
		return n, err
	case list:
		var sum int64
		for _, field := range d {
			n, err := sizeOfField(field)
			if err != nil {
				return 0, err
			}
			if sum += n; sum > maxBytes {
				return 0, errors.New("its elements are too large")
			}
		}
		return sum, nil
	}
	return 0, errors.New("its dtype is not known")
}

// sizeOfField returns the size of a field: its name and type, and how many there are of it.
func sizeOfField(field any) (int64, error) {
	f, ok := field.(tuple)
	if !ok || len(f) < 2 || len(f) > 3 {
		return 0, errors.New("a field of its dtype has no name and type")
	}
	n, err := sizeOf(f[1])
	if err != nil || len(f) == 2 {
		return n, err
	}
	shape, ok := f[2].(tuple)
	if !ok {
		shape = tuple{f[2]}
	}
	return times(n, shape)
}

// times returns a size multiplied by all of a shape.
func times(size int64, shape tuple) (int64, error) {
	for _, v := range shape {
		n, ok := v.(int64)
		if !ok || n < 0 {
			return 0, errors.New("its shape is not of whole numbers")
		}
		if n > 0 && size > maxBytes/n {
			return 0, fmt.Errorf("it has more than %d bytes", int64(maxBytes))
		}
		size *= n
	}
	return size, nil
}

// setShape takes the shape of an array that can be dealt out by rows.
func (h *header) setShape(shape tuple) error {
	if len(shape) == 0 {
		return hint.Add(errors.New("it is a single value and has no rows"), "leave it out of the file")
	}
	if size, err := times(h.size, shape); err != nil {
		return err
	} else if size == 0 {
		return hint.Add(errors.New("it is empty"), "leave it out of the file")
	}
	for _, n := range shape {
		h.shape = append(h.shape, n.(int64))
	}
	return nil
}

// rows returns how many rows there are.
func (h *header) rows() int64 { return h.shape[0] }

// row returns how many bytes a row takes.
func (h *header) row() int64 {
	n := h.size
	for _, of := range h.shape[1:] {
		n *= of
	}
	return n
}

// write writes the header of an array of the same kind, with so many rows.
func (h *header) write(to io.Writer, rows int) error {
	shape := []string{strconv.Itoa(rows)}
	for _, n := range h.shape[1:] {
		shape = append(shape, strconv.FormatInt(n, 10))
	}
	if len(shape) == 1 {
		shape = append(shape, "") // what makes a tuple of it in Python
	}
	var text strings.Builder
	fmt.Fprintf(&text, "{'descr': %s, 'fortran_order': False, 'shape': (%s), }", h.descr, strings.TrimSpace(strings.Join(shape, ", ")))
	const front, align = len(magic) + 4, 64
	for (front+text.Len()+1)%align != 0 {
		text.WriteByte(' ')
	}
	text.WriteByte('\n')
	b := append([]byte(magic), 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(text.Len()))
	_, err := to.Write(append(b, text.String()...))
	return err
}
