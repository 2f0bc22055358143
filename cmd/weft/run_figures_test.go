package main

import (
	"maps"
	"testing"
)

// TestAddFigures: what a training said is not lost where a figure of the model has its name.
func TestAddFigures(t *testing.T) {
	type metrics = map[string]float64
	said := metrics{"loss": 1, "eval_gap": 2}
	got := addFigures(said, metrics{"gap": 3, "eval_loss": 4})
	if want := (metrics{"loss": 1, "logged_eval_gap": 2, "eval_gap": 3, "eval_loss": 4}); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(said) != 2 {
		t.Errorf("what was said has changed: %v", said)
	}
}
