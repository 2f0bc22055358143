package weights

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/weft-mesh/weft/train/builtin/llama"
)

// ErrFile is returned for bytes that are no safetensors file this package reads.
var ErrFile = errors.New("not a safetensors file of the embedded trainer")

const (
	maxHeader = 1 << 20
	maxFile   = 1 << 30
)

// File is the contents of a safetensors file.
type File struct {
	Tensors  []llama.Tensor
	DType    string // of all tensors: F32 or BF16
	Metadata map[string]string
}

type entry struct {
	DType   string    `json:"dtype"`
	Shape   []int     `json:"shape"`
	Offsets [2]uint64 `json:"data_offsets"`
}

// Encode returns f as a file, tensors sorted by name.
func Encode(f File) ([]byte, error) {
	ts := slices.Clone(f.Tensors)
	slices.SortFunc(ts, func(a, b llama.Tensor) int { return strings.Compare(a.Name, b.Name) })
	size := map[string]int{"F32": 4, "BF16": 2}[f.DType]
	if size == 0 {
		return nil, fmt.Errorf("write safetensors: dtype %q is not F32 or BF16", f.DType)
	}
	header := map[string]any{}
	if len(f.Metadata) > 0 {
		header["__metadata__"] = f.Metadata
	}
	var data []byte
	for _, t := range ts {
		at := uint64(len(data))
		for _, v := range t.Data {
			if size == 4 {
				data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
			} else {
				data = binary.LittleEndian.AppendUint16(data, bfloat(v))
			}
		}
		header[t.Name] = entry{f.DType, t.Shape, [2]uint64{at, uint64(len(data))}}
	}
	h, err := json.Marshal(header)
	if err != nil {
		return nil, err
	}
	h = append(h, bytes.Repeat([]byte(" "), (8-len(h)%8)%8)...)
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(h)))
	return append(append(out, h...), data...), nil
}

func bfloat(v float32) uint16 {
	b := math.Float32bits(v)
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// Write puts f at path, whole or not at all.
func Write(path string, f File) error {
	data, err := Encode(f)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".tmp", data, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

const configKey = "weft.config"

// Metadata returns what a model's file says of its shape.
func Metadata(c llama.Config) (map[string]string, error) {
	b, err := json.Marshal(c)
	return map[string]string{configKey: string(b), "format": "pt"}, err
}
