package main

import "testing"

func TestFederation(t *testing.T) {
	if err := run(t.Context(), 2, 1, "steps=1 batch=1 rank=1 targets=v_proj warmup=0", false, 512); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), 2, 1, "stepz=1", false, 512); err == nil {
		t.Error("an unknown hyperparameter was taken")
	}
}
