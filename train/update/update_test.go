package update

import (
	"strings"
	"testing"

	"github.com/weft-mesh/weft/ledger"
)

func TestWithBase(t *testing.T) {
	own := map[string]float64{"base_loss": 1}
	for i := range ledger.MaxMetrics - 2 {
		own[string(rune('a'+i))] = 1
	}
	got := WithBase(own, map[string]float64{"base_loss": 2, "base_val_loss": 3, "base_z": 4, strings.Repeat("x", ledger.MaxName+1): 5})
	if len(got) != ledger.MaxMetrics || got["base_loss"] != 1 || got["base_val_loss"] != 3 {
		t.Errorf("%v", got)
	}
}
