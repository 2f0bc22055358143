package llama

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// Targets are refused, or are known, ordered, each once, and read back from their names.
func FuzzParseTargets(f *testing.F) {
	for _, text := range []string{"all", "q_proj,v_proj", "v_proj, q_proj,v_proj", "", ",", "all,none"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		targets, err := ParseTargets(text)
		if err != nil {
			if !errors.Is(err, ErrAdapter) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		var names []string
		for i, p := range targets {
			if i > 0 && targets[i-1] >= p {
				t.Fatalf("%q: %v", text, targets)
			}
			names = append(names, p.String())
		}
		if again, err := ParseTargets(strings.Join(names, ",")); err != nil || !slices.Equal(again, targets) {
			t.Fatalf("%q: %v, then %v, %v", text, targets, again, err)
		}
	})
}
