package hint_test

import (
	"errors"
	"fmt"
	"os/exec"
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
		{hint.Add(hinted, "or call for help"), "disk full", "free some space; or call for help"},
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

// A name that somebody chose comes through a shell as it is, and runs nothing.
func TestShell(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell")
	}
	for _, word := range []string{"a=12D3Koo", "ward $(touch x) 7=12D3", "it's", "`id`", "", "a;b|c&d", "*", "~", "$HOME", "a\\nb", "\n", "é", "!!", `"`, "a\tb"} {
		out, err := exec.Command(sh, "-c", "printf '<%s>' "+hint.Shell(word, "end")).CombinedOutput()
		if want := "<" + word + "><end>"; err != nil || string(out) != want {
			t.Errorf("%q comes through as %q, %v", word, out, err)
		}
	}
	if got := hint.Shell("python3", "train.py", "--lr=0.1"); got != "python3 train.py --lr=0.1" {
		t.Error(got)
	}
}
