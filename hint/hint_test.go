package hint_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/weft-mesh/weft/hint"
)

// advised works out what it advises.
type advised struct{ advice string }

func (a *advised) Error() string  { return "it broke" }
func (a *advised) Advice() string { return a.advice }

func TestErrors(t *testing.T) {
	full := errors.New("disk full")
	hinted := hint.Add(full, "free some space")
	for _, c := range []struct {
		err          error
		text, advice string
	}{
		{full, "disk full", ""},
		{hinted, "disk full", "free some space"},
		{fmt.Errorf("save: %w", hinted), "disk full", "free some space"},
		{&advised{"mend it"}, "it broke", "mend it"},
		{fmt.Errorf("run: %w", &advised{"mend it"}), "run: it broke", "mend it"},
		{&advised{}, "it broke", ""},
	} {
		if text, advice := hint.Split(c.err); text != c.text || advice != c.advice || hint.Of(c.err) != c.advice {
			t.Errorf("%v: got %q and %q, hint %q", c.err, text, advice, hint.Of(c.err))
		}
	}
	if !errors.Is(hinted, full) || hinted.Error() != "disk full\n  hint: free some space" {
		t.Errorf("got %q", hinted)
	}
}
