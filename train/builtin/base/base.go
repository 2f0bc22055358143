// Package base is the language model that every weft carries: llama.Default, trained on
// English books by the command train/builtin/cmd/pretrain, stored as BF16. How it came
// about, and its loss, is in docs/base-model.md.
package base

import (
	"bytes"
	_ "embed" // the weights
	"fmt"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/train/builtin/llama"
	"github.com/weft-mesh/weft/train/builtin/weights"
)

// The data sets lie beside the repository; docs/base-model.md says what they are.
//
//go:generate go run ../cmd/pretrain -train ../../../../shared/data/gutenberg/gutenberg_train.txt.gz -valid ../../../../shared/data/gutenberg/gutenberg_valid.txt.gz -out base.safetensors -log ../../../docs/base-loss.csv -plot ../../../docs/base-loss.svg

//go:embed base.safetensors
var file []byte

// CID names the model: the block of its safetensors file. Adapters trained on one base
// mean nothing on another.
func CID() block.CID { return block.Sum(block.Raw, file) }

// Load returns a new copy of the model.
func Load() (*llama.Model, error) {
	ts, _, err := weights.Decode(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, fmt.Errorf("embedded base model: %w", err)
	}
	m, err := llama.NewModel(llama.Default())
	if err != nil {
		return nil, err
	}
	if err := m.Load(ts); err != nil {
		return nil, fmt.Errorf("embedded base model: %w", err)
	}
	return m, nil
}
