//go:build !node

package main

import "testing"

func TestParseSize(t *testing.T) {
	for text, want := range map[string]uint64{"50MB": 50e6, "64MiB": 64 << 20, "1": 1, "1.5 kB": 1500, "0": 0} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "MB", "5furlongs", "-1", "NaN", "1e99", "5XB"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
}
