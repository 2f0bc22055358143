package tensor

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// DataAlign is what the offset of a file's data is a multiple of, so that a mapped file's
// elements can be read in place.
const DataAlign = 8

// SafetensorsHeader returns the first bytes of the layout's safetensors file: the header's
// length and the header, padded with spaces to a multiple of 8. Equal layouts have equal
// headers. The elements of all tensors follow it in the file, in the layout's order.
func (l Layout) SafetensorsHeader() []byte { return l.HeaderWithAliases(nil) }

// HeaderWithAliases is SafetensorsHeader with the further names of tensors, as [Header.Aliases] reads them, and whatever else the
// metadata has.
func (l Layout) HeaderWithAliases(aliases map[string]string) []byte {
	// Loaders of Hugging Face refuse files that do not say which framework they are for.
	metadata := []byte(`"` + metadataKey + `":{"` + formatKey + `":"pt"`)
	for _, alias := range slices.Sorted(maps.Keys(aliases)) {
		if alias == formatKey {
			continue
		}
		metadata = appendString(append(metadata, ','), alias)
		metadata = appendString(append(metadata, ':'), aliases[alias])
	}
	text := l.appendHeader(make([]byte, lengthBytes), string(metadata)+"},")
	return pad(text, (len(text)+DataAlign-1)/DataAlign*DataAlign)
}

// headerOfSize is SafetensorsHeader in size bytes, to repair that of another writer. It
// returns nil if the header is longer, or the data would not begin where a canonical file's may.
func (l Layout) headerOfSize(size int) []byte {
	if size%DataAlign != 0 {
		return nil
	}
	text := l.SafetensorsHeader()
	if len(text) > size {
		text = l.appendHeader(make([]byte, lengthBytes), "")
	}
	if len(text) > size {
		return nil
	}
	return pad(text, size)
}

// pad appends spaces up to size bytes, and sets the length.
func pad(header []byte, size int) []byte {
	for len(header) < size {
		header = append(header, ' ')
	}
	binary.LittleEndian.PutUint64(header, uint64(len(header)-lengthBytes))
	return header
}

// appendHeader appends the header's JSON: metadata, then the tensors.
func (l Layout) appendHeader(b []byte, metadata string) []byte {
	b = append(b, "{"+metadata...)
	var begin uint64
	for i, t := range l.Tensors {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, t.Name)
		b = append(b, `:{"dtype":"`+string(t.DType)+`","shape":[`...)
		for j, d := range t.Shape {
			if j > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendUint(b, d, 10)
		}
		end := begin + t.Bytes()
		b = append(b, `],"data_offsets":[`...)
		b = append(strconv.AppendUint(b, begin, 10), ',')
		b = append(strconv.AppendUint(b, end, 10), "]}"...)
		begin = end
	}
	return append(b, '}')
}

// appendString appends s as JSON, without the escapes that HTML would want.
func appendString(b []byte, s string) []byte {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string has an encoding, and the buffer takes it
	}
	return append(b, bytes.TrimSuffix(text.Bytes(), []byte("\n"))...)
}
