package ledger

import (
	"strings"
	"testing"
)

func TestValidName(t *testing.T) {
	for _, s := range []string{"a", "hospital-north", "Charité Süd", "東京", "loss/val", strings.Repeat("x", MaxName)} {
		if !ValidName(s) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range []string{"", strings.Repeat("x", MaxName+1), "a\nb", "a\x1b[2J", "a\x7f", "a\u009b2J", "a\x9b", "a\u202eb", "a\u061cb", "a\u2066b", "a\u2028b"} {
		if ValidName(s) {
			t.Errorf("%q is taken", s)
		}
	}
}
