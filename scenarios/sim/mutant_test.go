package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// mutant is a bug planted into package round: a text of a file, which occurs once, and what stands there instead.
type mutant struct {
	name     string
	file     string
	old, new string
	sites    int // of the trials that look for it; 0: any
}

// mutants are bugs that the trials must find. If one no longer applies, the code has changed: plant it anew.
var mutants = []mutant{
	{
		"a lock is not kept", "agree.go",
		"free := h.lockedView < 0 ||", "free := true || h.lockedView < 0 ||", 0,
	},
}

// TestMutantsApply: each bug can still be planted.
func TestMutantsApply(t *testing.T) {
	for _, m := range mutants {
		if _, err := m.plant(); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
}

func (m *mutant) path() string { return filepath.Join("..", "..", "round", m.file) }

// plant returns the file's text with the bug.
func (m *mutant) plant() ([]byte, error) {
	src, err := os.ReadFile(m.path())
	if err != nil {
		return nil, err
	}
	if n := bytes.Count(src, []byte(m.old)); n != 1 {
		return nil, fmt.Errorf("%q occurs %d times in %s", m.old, n, m.file)
	}
	return bytes.Replace(src, []byte(m.old), []byte(m.new), 1), nil
}

var failedSeed = regexp.MustCompile(`seed (\d+): .*`)

// TestMutants builds this test with each bug in turn and lets the trials look for it: each must be
// found within 2,000 seeds. It takes some minutes; make mutants runs it.
func TestMutants(t *testing.T) {
	if os.Getenv("WEFT_MUTANTS") == "" {
		t.Skip("long: make mutants runs it")
	}
	for _, m := range mutants {
		t.Run(strings.ReplaceAll(m.name, " ", "-"), func(t *testing.T) {
			bin := m.build(t)
			out, err := exec.Command(bin, "-test.run", "^TestTrials$", "-seeds", "2000", "-noshrink", "-sites", fmt.Sprint(m.sites)).CombinedOutput()
			if err == nil {
				t.Fatal("2000 trials have not found it")
			}
			found := failedSeed.FindString(string(out))
			if found == "" {
				t.Fatalf("the trials ended otherwise: %v\n%s", err, out)
			}
			t.Log(found)
		})
	}
}

// build compiles this package's tests with the bug, and returns the program.
func (m *mutant) build(t *testing.T) string {
	t.Helper()
	src, err := m.plant()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, overlay, bin := filepath.Join(dir, m.file), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "sim.test")
	abs, err := filepath.Abs(m.path())
	if err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {abs: file}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, src, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, replace, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "test", "-c", "-overlay", overlay, "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return bin
}
