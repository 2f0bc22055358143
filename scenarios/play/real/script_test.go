package real

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/scenarios"
)

const scripted = `name: scripted
until: 2m
faults: crash
sites:
  - {name: clinic, count: 3, link: {latency: 5ms, up: 100 Mbit/s, down: 100 Mbit/s}}
trainer: {exec: [python3, %q, --data, '{data}']}
data: {file: %q, partition: label:1}
run: {rounds: 3, train: {lr: 0.2}}
timeline:
  - {fault: crash, round: 2, for: 1s, sites: [clinic-2]}
expect: {finished: true, same_model: true}
`

// scriptScenario makes ready what a script needs: Python, the package, a file of rows. It returns the scenario.
func scriptScenario(t *testing.T, script string) *scenarios.Scenario {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		if os.Getenv("WEFT_TEST_ALL") == "1" {
			t.Fatal("no python3, and WEFT_TEST_ALL=1 allows no skips")
		}
		t.Skip("no python3")
	}
	data := filepath.Join(t.TempDir(), "rows.csv")
	rows := strings.Builder{}
	rows.WriteString("x,y,label\n")
	for i := range 120 {
		x, y := i%12-6, i%7-3
		label := 0
		if 2*x > y {
			label = 1
		}
		fmt.Fprintf(&rows, "%d,%d,%d\n", x, y, label)
	}
	if err := os.WriteFile(data, []byte(rows.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return parse(t, fmt.Sprintf(scripted, script, data))
}

// TestPlayScript: each site's trainer is the user's script, on the site's part of the data; one site crashes meanwhile.
func TestPlayScript(t *testing.T) {
	t.Parallel()
	train, err := filepath.Abs("../../../examples/plain/train.py")
	if err != nil {
		t.Fatal(err)
	}
	r, err := Play(t.Context(), scriptScenario(t, train), nil, os.Args[0], "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Held() || len(r.Faults) != 1 {
		t.Errorf("%+v, faults %+v", r.Verdicts, r.Faults)
	}
	for _, s := range r.Sites {
		if s.Rounds != 3 || len(s.Models) != 3 || !slices.Equal(s.Models, r.Sites[0].Models) || s.Models[0] == s.Models[2] {
			t.Errorf("%s: %d rounds, %v", s.Name, s.Rounds, s.Models)
		}
	}
}

// TestPlayScriptThatFails: the first failure ends it, and says which site's, and where.
func TestPlayScriptThatFails(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "train.py")
	text := `import os, weft
for task in weft.tasks({"w": memoryview(bytearray(4)).cast("f")}, samples=1):
    if os.environ["WEFT_SITE"] == "clinic-3":
        raise ValueError("no labels")
`
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Play(t.Context(), scriptScenario(t, script), nil, os.Args[0], "", nil)
	if err == nil || !strings.Contains(err.Error(), "clinic-3: trainer") || !strings.Contains(err.Error(), "ValueError: no labels (train.py:4)") {
		t.Errorf("got %v", err)
	}
}
