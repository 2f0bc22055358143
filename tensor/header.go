package tensor

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// metadataKey is the one key of a safetensors header that is not a tensor.
const metadataKey = "__metadata__"

// formatKey is the one key of the metadata that never is a tensor's name: it says which framework a file is for.
const formatKey = "format"

// lengthBytes is the size of the header's length at the start of a safetensors file.
const lengthBytes = 8

// Header is what a safetensors file says of its data
// (https://github.com/huggingface/safetensors, "Format").
type Header struct {
	Tensors    []Located         // in the order of their data
	Metadata   map[string]string // free text, such as format: pt
	DataOffset uint64            // of the first element in the file
}

// Located is a tensor and where its data begins, counted from the first element of the file.
type Located struct {
	Tensor
	Offset uint64
}

// ReadHeader reads and checks the header of a safetensors file of size bytes: limits, known
// types, and data ranges that fit the shapes and cover the file without hole or overlap.
// Its errors are ErrSafetensors and name the tensor.
func ReadHeader(r io.ReaderAt, size int64) (Header, error) {
	if size < lengthBytes {
		return Header{}, fmt.Errorf("%w: %d bytes", ErrSafetensors, size)
	}
	n, err := headerLength(r)
	if err != nil {
		return Header{}, err
	}
	if n > MaxHeader || n > uint64(size-lengthBytes) {
		return Header{}, fmt.Errorf("%w: header of %d bytes in a file of %d, at most %d", ErrSafetensors, n, size, MaxHeader)
	}
	text := make([]byte, n)
	if err := readFull(r, text, lengthBytes); err != nil {
		return Header{}, fmt.Errorf("read header: %w", err)
	}
	h, end, err := parseHeader(text)
	if data := uint64(size) - lengthBytes - n; err == nil && end != data {
		err = fmt.Errorf("%w: tensors of %d bytes in a file with %d of data; is it whole?", ErrSafetensors, end, data)
	}
	if err != nil {
		return Header{}, err
	}
	return h, nil
}

// ReadHeaderFrom is ReadHeader for a file that comes bit by bit: what is read next is its data, and whether that is whole
// its reader sees.
func ReadHeaderFrom(r io.Reader) (Header, error) {
	var b [lengthBytes]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return Header{}, fmt.Errorf("read header: %w", err)
	}
	n := binary.LittleEndian.Uint64(b[:])
	if n > MaxHeader {
		return Header{}, fmt.Errorf("%w: header of %d bytes, at most %d", ErrSafetensors, n, MaxHeader)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return Header{}, fmt.Errorf("read header: %w", err)
	}
	h, _, err := parseHeader(text)
	return h, err
}

// DataOffset reads where the data of a safetensors file begins, without reading its header.
func DataOffset(r io.ReaderAt) (int64, error) {
	n, err := headerLength(r)
	if err == nil && n > MaxHeader {
		err = fmt.Errorf("%w: header of %d bytes, at most %d", ErrSafetensors, n, MaxHeader)
	}
	return lengthBytes + int64(n), err
}

// headerLength reads the length at the start of a safetensors file.
func headerLength(r io.ReaderAt) (uint64, error) {
	var b [lengthBytes]byte
	if err := readFull(r, b[:], 0); err != nil {
		return 0, fmt.Errorf("read header: %w", err)
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

// readFull fills p from an offset. A file that ends before is an io.ErrUnexpectedEOF, wherever it ends.
func readFull(r io.ReaderAt, p []byte, offset int64) error {
	_, err := io.ReadFull(io.NewSectionReader(r, offset, int64(len(p))), p)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parseHeader reads the JSON of a header, and how many bytes its tensors take.
func parseHeader(text []byte) (h Header, end uint64, err error) {
	h = Header{DataOffset: lengthBytes + uint64(len(text))}
	if len(text) == 0 || text[0] != '{' {
		return Header{}, 0, fmt.Errorf("%w: the header does not begin with {", ErrSafetensors)
	}
	if err := h.decode(text); err != nil {
		return Header{}, 0, fmt.Errorf("%w: header: %w", ErrSafetensors, err)
	}
	slices.SortFunc(h.Tensors, func(a, b Located) int {
		// Tensors without elements share an offset with their successor and go before it.
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Bytes(), b.Bytes()), cmp.Compare(a.Name, b.Name))
	})
	for _, t := range h.Tensors {
		if t.Offset != end {
			return Header{}, 0, fmt.Errorf("%w: tensor %q begins at %d, where byte %d should follow: hole or overlap", ErrSafetensors, t.Name, t.Offset, end)
		}
		end += t.Bytes()
	}
	return h, end, nil
}

// entry is a tensor in the header's JSON.
type entry struct {
	DType   DType    `json:"dtype"`
	Shape   []uint64 `json:"shape"`
	Offsets []uint64 `json:"data_offsets"` // begin and end
}

// decode walks the header's keys one by one: a map would hide duplicates.
func (h *Header) decode(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if _, err := d.Token(); err != nil { // the opening brace
		return err
	}
	seen := make(map[string]bool)
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name := key.(string) // the decoder lets nothing else be a key
		if seen[name] {
			return fmt.Errorf("%q occurs twice", name)
		}
		seen[name] = true
		if name == metadataKey {
			if err := d.Decode(&h.Metadata); err != nil {
				return fmt.Errorf("%s: %w", metadataKey, err)
			}
			continue
		}
		var e entry
		if err := d.Decode(&e); err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		t, err := e.tensor(name)
		if err != nil {
			return err
		}
		if h.Tensors = append(h.Tensors, t); len(h.Tensors) > MaxTensors {
			return fmt.Errorf("more than %d tensors", MaxTensors)
		}
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

func (e entry) tensor(name string) (Located, error) {
	t := Located{Tensor: Tensor{name, e.DType, e.Shape}}
	if t.Shape == nil {
		t.Shape = []uint64{}
	}
	if err := t.validate(); err != nil {
		return Located{}, err
	}
	if len(e.Offsets) != 2 || e.Offsets[1] < e.Offsets[0] || e.Offsets[1]-e.Offsets[0] != t.Bytes() {
		return Located{}, fmt.Errorf("tensor %q: data_offsets %v for %d bytes of %s %v", name, e.Offsets, t.Bytes(), t.DType, t.Shape)
	}
	t.Offset = e.Offsets[0]
	return t, nil
}

// Layout returns the layout of the file's tensors.
func (h Header) Layout() (Layout, error) {
	l := Layout{Tensors: make([]Tensor, len(h.Tensors))}
	for i, t := range h.Tensors {
		l.Tensors[i] = t.Tensor
	}
	slices.SortFunc(l.Tensors, func(a, b Tensor) int { return cmp.Compare(a.Name, b.Name) })
	return l, l.Validate()
}

// Canonical reports whether the file's data is canonical as it lies: ordered by name, and
// aligned for every element type.
func (h Header) Canonical() bool {
	var end uint64
	for _, t := range h.ByName() {
		// A tensor without elements may stand anywhere.
		if t.Offset != end && t.Elements() > 0 {
			return false
		}
		end += t.Bytes()
	}
	return h.DataOffset%DataAlign == 0
}

// ByName returns the tensors in canonical order.
func (h Header) ByName() []Located {
	return slices.SortedFunc(slices.Values(h.Tensors), func(a, b Located) int { return cmp.Compare(a.Name, b.Name) })
}

// Aliases returns further names of the file's tensors, those of tied weights, as safetensors' own tools write them: in the
// metadata, each with the name under which its tensor is in the file.
func (h Header) Aliases() map[string]string {
	names := make(map[string]bool, len(h.Tensors))
	for _, t := range h.Tensors {
		names[t.Name] = true
	}
	aliases := map[string]string{}
	for alias, name := range h.Metadata {
		if alias != formatKey && names[name] && !names[alias] {
			aliases[alias] = name
		}
	}
	return aliases
}

// Tensor returns the named tensor.
func (h Header) Tensor(name string) (Located, bool) {
	for _, t := range h.Tensors {
		if t.Name == name {
			return t, true
		}
	}
	return Located{}, false
}

// Data returns the bytes of tensor t in the file r.
func (h Header) Data(r io.ReaderAt, t Located) *io.SectionReader {
	return io.NewSectionReader(r, int64(h.DataOffset+t.Offset), int64(t.Bytes()))
}
