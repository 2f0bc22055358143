package demo

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
)

func TestResultText(t *testing.T) {
	r := &Result{Output: "x.safetensors", ModelBytes: 12345}
	for range 3 {
		r.Sites = append(r.Sites, SiteResult{Site: "site-a", Text: "shakespeare", Model: block.Of(1).CID, Base: 1.9, Alone: 1.7, Federated: 1.75, BaseOthers: 1.9, AloneOthers: 2, FederatedOthers: 1.8})
	}
	if own, others := r.Gain(); math.Abs(own+0.05) > 1e-9 || math.Abs(others-0.2) > 1e-9 {
		t.Errorf("gain %v and %v, want -0.05 and 0.2", own, others)
	}
	text := r.Text(term.New(&bytes.Buffer{}))
	for _, want := range []string{"0.200 below training alone", "0.050 above it", r.Sites[0].Model.String(), "12.3 kB"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if ansi.StringWidth(strings.TrimRight(line, "\n")) > term.Width {
			t.Errorf("too wide: %s", line)
		}
	}
}
