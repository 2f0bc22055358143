package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/train"
)

// ownHead is a script whose site adds its number to everything, and notes what it begins each round with.
const ownHead = `
import sys, time, weft
from array import array
n = int(sys.argv[1])
model = {"body": array("f", [0, 0]), "head": array("f", [5])}
for task in weft.tasks(model, samples=1):
    with open(f"seen-{n}", "a") as f:
        print(task.round, model["head"][0], *sorted(task.local), file=f)
    for _ in task.steps(range(10)):
        time.sleep(0.03)
    model["head"][0] += n
    model["body"][0] += n
`

// TestTryLocal: sites whose tensors of one name differ have the same common model, bit for bit; a node that is killed has its
// site's own ones when it is back.
func TestTryLocal(t *testing.T) {
	if testing.Short() {
		t.Skip("starts nodes")
	}
	if _, err := exec.LookPath("python3"); err != nil {
		if os.Getenv("WEFT_TEST_ALL") == "1" {
			t.Fatal("no python3, and WEFT_TEST_ALL=1 allows no skips")
		}
		t.Skip("no python3")
	}
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "train.py"), []byte(ownHead), 0o600); err != nil {
		t.Fatal(err)
	}
	python, err := filepath.Abs("../../python")
	if err != nil {
		t.Fatal(err)
	}
	weft := func(args ...string) (string, error) {
		cmd := exec.Command("weft", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "PYTHONPATH="+python, "PYTHONDONTWRITEBYTECODE=1")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := weft("try", "--local", "tail*", "--", "python3", "train.py", "{i}"); err == nil || !strings.Contains(out, `local: tensors that stay at each site: "tail*" is no pattern of a name`) {
		t.Errorf("%v:\n%s", err, out)
	}
	if out, err := weft("try", "--local", "head*", "--alone", "--", "python3", "train.py", "{i}"); err == nil || !strings.Contains(out, "--alone starts from the model that the sites have in common") {
		t.Errorf("%v:\n%s", err, out)
	}
	if out, err := weft("try", "--rounds", "4", "--local", "head*", "--kill", "2@3", "--keep", "kept", "--", "python3", "train.py", "{i}"); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	var common []byte
	for i := 1; i <= 3; i++ {
		site := fmt.Sprintf("kept/site-%d", i)
		for _, args := range [][]string{{"-o", "common"}, {"--local", "-o", "personal"}} {
			if out, err := weft(append([]string{"--dir", site, "model", "export", "latest"}, args...)...); err != nil {
				t.Fatalf("%s: %v:\n%s", site, err, out)
			}
			if err := os.Rename(filepath.Join(dir, args[len(args)-1]), filepath.Join(dir, site, args[len(args)-1])); err != nil {
				t.Fatal(err)
			}
		}
		data, _ := os.ReadFile(filepath.Join(dir, site, "common"))
		if common == nil {
			common = data
		}
		if got := firstOf(t, data); len(got) != 1 || !bytes.Equal(data, common) {
			t.Errorf("%s has another common model: %v", site, got)
		}
		personal, _ := os.ReadFile(filepath.Join(dir, site, "personal"))
		seen, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("seen-%d", i)))
		if err != nil {
			t.Fatal(err)
		}
		history, err := weft("--dir", site, "run", "history", "--csv")
		if err != nil {
			t.Fatalf("%s: %v:\n%s", site, err, history)
		}
		// Each training whose update counts has added to it; on a slow machine a round may end without a site, as the killed one's does.
		counted, trained := strings.Count(history, fmt.Sprintf(",site-%d,", i)), strings.Count(string(seen), "\n")
		least, most := float32(5+counted*i), float32(5+trained*i)
		if got := firstOf(t, personal); len(got) != 2 || got["body"] != firstOf(t, data)["body"] || got["head"] < least || got["head"] > most {
			t.Errorf("%s has of its own %v; it began with\n%s", site, got, seen)
		}
		if counted == 0 || !goesOn(string(seen), float32(i)) {
			t.Errorf("%s, of which %d updates count, began its rounds with\n%s", site, counted, seen)
		}
		left, err := filepath.Glob(filepath.Join(dir, site, "state", "*", "*"))
		if err != nil || len(left) != 1 || filepath.Base(left[0]) != train.LocalFile {
			t.Errorf("%s keeps %v, %v", site, left, err)
		}
	}
}

// goesOn reports whether a site began its first training with 5 and each later one with what the one before had left, or had begun
// with if it did not end.
func goesOn(seen string, adds float32) bool {
	head := float32(5)
	for i, line := range strings.Split(strings.TrimSpace(seen), "\n") {
		var round int
		var begins float32
		if n, err := fmt.Sscanf(line, "%d %f head", &round, &begins); n != 2 || err != nil {
			return false
		}
		if begins != head && (i == 0 || begins != head+adds) {
			return false
		}
		head = begins
	}
	return true
}

// firstOf returns the first element of each tensor of a file, which are F32.
func firstOf(t *testing.T, data []byte) map[string]float32 {
	t.Helper()
	file := bytes.NewReader(data)
	h, err := tensor.ReadHeader(file, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float32{}
	for _, x := range h.Tensors {
		var b [4]byte
		if _, err := h.Data(file, x).Read(b[:]); err != nil {
			t.Fatal(err)
		}
		all[x.Name] = math.Float32frombits(uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24)
	}
	return all
}
