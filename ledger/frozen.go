package ledger

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/weft-mesh/weft/block"
)

// Frozen is the model that a run's adapters are made for and that no site changes: the files of its folder, tokenizer included, each
// with the CID of its bytes (raw). Names are paths within the folder, with slashes. Nothing decides by it but each site's trainer,
// which takes part with the same files only.
type Frozen map[string]block.CID

// Limits of a frozen model, which are part of the ledger.
const (
	MaxFrozen     = 256 // files
	MaxFrozenName = 255 // bytes
)

// FrozenKey is the key under which the metadata of a model's safetensors file has the frozen model that its tensors are made for.
const FrozenKey = "weft.frozen"

// Digest names the folder: the CID of the list as a block of DAG-CBOR. It is undefined if there is no file.
func (f Frozen) Digest() block.CID {
	if len(f) == 0 {
		return block.CID{}
	}
	return block.Of(map[string]block.CID(f)).CID
}

// Differs returns the first file, by name, that the two do not have in common, empty if there is none.
func (f Frozen) Differs(g Frozen) string {
	all := maps.Clone(f)
	maps.Copy(all, g)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if f[name] != g[name] {
			return name
		}
	}
	return ""
}

// Check returns an error for what is no list of files.
func (f Frozen) Check() error {
	if len(f) > MaxFrozen {
		return fmt.Errorf("frozen: %d files, at most %d", len(f), MaxFrozen)
	}
	for name, c := range f {
		if name == "" || len(name) > MaxFrozenName || !utf8.ValidString(name) || c.Codec() != block.Raw {
			return fmt.Errorf("frozen: file %.40q, %s: want a name of 1 to %d bytes and the CID of raw bytes", name, c, MaxFrozenName)
		}
	}
	return nil
}

// ParseFrozen reads the list as metadata has it, in JSON.
func ParseFrozen(text string) (f Frozen, err error) {
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return nil, fmt.Errorf("frozen: no object of files' CIDs: %w", err)
	}
	return f, f.Check()
}

// String is the list as metadata has it, in JSON.
func (f Frozen) String() string {
	b, err := json.Marshal(map[string]block.CID(f))
	if err != nil {
		panic(err) // text and CIDs
	}
	return string(b)
}
