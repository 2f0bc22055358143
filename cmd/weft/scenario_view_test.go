//go:build !node

package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/scenarios"
)

// The summary says who lies, as the page does.
func TestSummaryMarksLiars(t *testing.T) {
	r := slowMesh(scenarios.Simulated, 0)
	for i, name := range []string{"clinic-1", "clinic-2", "clinic-3", "mallory"} {
		r.Sites[i].Name = name
	}
	r.Sites[3].Adversary = "times-100"
	text := scenarioSummary(r, term.New(&bytes.Buffer{}), "")
	if !strings.Contains(text, "\nmallory (times-100)  ") || strings.Count(text, "(times-100)") != 1 || !strings.Contains(text, "\nclinic-1  ") {
		t.Errorf("got\n%s", text)
	}
}
