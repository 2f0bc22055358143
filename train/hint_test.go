package train

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/tensor"
)

// The hint names the limit that was met.
func TestHintOfBase(t *testing.T) {
	tensors := make([]tensor.Tensor, 60_000) // fewer than there may be, whose names are too long
	for i := range tensors {
		tensors[i] = tensor.Tensor{Name: fmt.Sprintf("%05d%s", i, strings.Repeat("x", 60)), DType: tensor.F32, Shape: []uint64{1}}
	}
	if got := HintOfBase(tensor.Layout{Tensors: tensors}.Validate()); !strings.Contains(got, "names and shapes take at most 4 MiB") {
		t.Error(got)
	}
	if got := HintOfBase(tensor.ErrSafetensors); got != BaseHint {
		t.Error(got)
	}
}
