package main

import (
	"slices"
	"testing"

	"github.com/weft-mesh/weft/trace"
)

// TestNarratorKinds: what the log says in words of its own are events that there are.
func TestNarratorKinds(t *testing.T) {
	for _, list := range []map[trace.Kind]string{told, warned} {
		for k := range list {
			if !slices.Contains(trace.Kinds(), k) {
				t.Errorf("no event is of the kind %q", k)
			}
		}
	}
}
