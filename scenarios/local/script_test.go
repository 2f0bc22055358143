package local

import (
	"encoding/json"
	"slices"
	"testing"
)

// TestScript: placeholders are filled in for each site, and the machine is dealt out.
func TestScript(t *testing.T) {
	t.Setenv("OMP_NUM_THREADS", "")
	t.Setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7,8")
	s := &Script{Command: []string{"sh", "-c", "{i} of {sites}: {name} {data}"}, Data: []string{"/a.csv", "/b.csv"}, Sites: []string{"site-1", "site-2"}}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	var got trainer
	if err := json.Unmarshal([]byte(s.Trainer(1)), &got); err != nil {
		t.Fatal(err)
	}
	if got.Exec[2] != "2 of 2: site-2 /b.csv" || !slices.Contains(got.Env, "WEFT_SITE=site-2") || !slices.Contains(got.Env, "CUDA_VISIBLE_DEVICES=6,7") {
		t.Errorf("%+v", got)
	}
	if err := (&Script{Command: []string{"no-such-program"}, Sites: []string{"site-1"}}).Validate(); err == nil {
		t.Error("a program that is not there is not missed")
	}
	if got := deal([]string{"0"}, 2, 3); got != "0" {
		t.Errorf("one GPU of three sites: %s", got)
	}
}
