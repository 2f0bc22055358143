package ledger_test

import (
	"strings"
	"testing"

	"github.com/weft-mesh/weft/ledger"
)

// TestTroubleLimits: what a site says of its troubles is short and in order, of classes that later versions may add to.
func TestTroubleLimits(t *testing.T) {
	many := []ledger.TroubleClass{"a", "b", "c", "d", "e", "f", "g", "h"}
	for name, c := range map[string]struct {
		body ledger.Trouble
		good bool
	}{
		"all that are known":  {ledger.Trouble{Serial: 1, Classes: ledger.TroubleClasses, Text: strings.Repeat("x", ledger.MaxReason)}, true},
		"one of a later weft": {ledger.Trouble{Serial: 1, Classes: []ledger.TroubleClass{"tsunami"}}, true},
		"none":                {ledger.Trouble{Serial: 2}, true},
		"eight":               {ledger.Trouble{Serial: 2, Classes: many}, true},
		"nine":                {ledger.Trouble{Serial: 2, Classes: append(many, "i")}, false},
		"no serial":           {ledger.Trouble{}, false},
		"twice":               {ledger.Trouble{Serial: 1, Classes: []ledger.TroubleClass{"disk", "disk"}}, false},
		"in disorder":         {ledger.Trouble{Serial: 1, Classes: []ledger.TroubleClass{"link", "disk"}}, false},
		"words":               {ledger.Trouble{Serial: 1, Classes: []ledger.TroubleClass{"no room"}}, false},
		"a long class":        {ledger.Trouble{Serial: 1, Classes: []ledger.TroubleClass{"aaaaaaaaaaaaaaaaa"}}, false},
		"an empty class":      {ledger.Trouble{Serial: 1, Classes: []ledger.TroubleClass{""}}, false},
		"a long text":         {ledger.Trouble{Serial: 1, Classes: many, Text: strings.Repeat("x", ledger.MaxReason+1)}, false},
		"a text of nothing":   {ledger.Trouble{Serial: 1, Text: "x"}, false},
	} {
		if err := c.body.Check(); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}
