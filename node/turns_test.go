package node

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
)

var apart = flag.Bool("apart", false, "TestTurns plays its runs one after the other too, and says how long both took")

// countingScript trains for a while. What it keeps from round to round is how many steps it has made, as Adam does.
const countingScript = `
import os, time
from array import array
import weft

class Counter:
    n = 0
    def state_dict(self):
        return {"n": self.n}
    def load_state_dict(self, state):
        self.n = state["n"]

weights, counter = {"w": array("f", [0, 0, 0])}, Counter()
for task in weft.tasks(weights, counter, samples=1):
    with open("turns", "a") as f:
        print(task.name, task.round, os.getpid(), file=f)
    for _ in task.steps([0], 20):
        time.sleep(float(os.environ["STEP"]))
        counter.n += 1
        weights["w"][0] += 1
    task.log(counted=counter.n)
`

const (
	turnRounds = 3
	turnSteps  = 20 // of a training
)

// python returns an interpreter; without one the test is skipped, unless nothing may be.
func python(t *testing.T) string {
	path, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("WEFT_TEST_ALL") == "1" {
			t.Fatal("no python3, and WEFT_TEST_ALL=1 allows no skips")
		}
		t.Skip("no python3")
	}
	return path
}

// countingMesh are three sites which train by the script.
func countingMesh(t *testing.T, step, more string) []*testSite {
	sources, err := filepath.Abs("../python")
	if err != nil {
		t.Fatal(err)
	}
	interpreter := python(t)
	sites := newTestMesh(t, 3, func(name, config string) string {
		before, _, _ := strings.Cut(config, "trainer:")
		return before + fmt.Sprintf("trainer:\n  exec: [%q, train.py]\n  env: [%q, PYTHONDONTWRITEBYTECODE=1, STEP=%s]\n%s", interpreter, "PYTHONPATH="+sources, step, more)
	})
	for _, s := range sites {
		if err := os.WriteFile(filepath.Join(s.dir, "train.py"), []byte(countingScript), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	upAll(sites)
	return sites
}

// turns are the tasks that a site's script had, in order: run, round and process.
func (s *testSite) turns() (list [][3]string) {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, "turns"))
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		f := strings.Fields(string(line))
		list = append(list, [3]string{f[0], f[1], f[2]})
	}
	return list
}

// longestRow returns how many turns in a row a run had, of the time in which both went on.
func longestRow(turns [][3]string) (longest int) {
	seen := map[string][2]int{} // the first turn and the last
	for i, turn := range turns {
		if at, ok := seen[turn[0]]; ok {
			seen[turn[0]] = [2]int{at[0], i}
		} else {
			seen[turn[0]] = [2]int{i, i}
		}
	}
	from, to := 0, len(turns)
	for _, at := range seen {
		from, to = max(from, at[0]), min(to, at[1]+1)
	}
	row := 0
	for i := from; i < to; i++ {
		if i > from && turns[i][0] == turns[i-1][0] {
			row++
		} else {
			row = 1
		}
		longest = max(longest, row)
	}
	return longest
}

// checkCounted: every training of every site has counted the steps of all before it.
func checkCounted(t *testing.T, r api.RunStatus) {
	t.Helper()
	for _, h := range r.History {
		for _, name := range []string{"a", "b", "c"} {
			if got := h.Metrics[name]["counted"]; got != float64(h.Round*turnSteps) {
				t.Errorf("run %s, round %d of %s: %v steps, want %d", r.Name, h.Round, name, got, h.Round*turnSteps)
			}
		}
	}
}

// Two runs that both need every site take turns at each, from opening to opening, and what their trainings keep goes on exactly.
func TestTurns(t *testing.T) {
	t.Parallel()
	step := "0.005"
	if *apart {
		step = "0.1"
	}
	sites := countingMesh(t, step, "")
	start := func(name string) block.CID {
		return sites[0].start(ledger.RunSpec{Name: name, Rounds: turnRounds, MinSites: 3})
	}
	begun := time.Now()
	first, second := start("first"), start("second")
	for _, s := range sites {
		for _, run := range []block.CID{first, second} {
			checkCounted(t, s.awaitRounds(run, turnRounds))
		}
	}
	together := time.Since(begun)
	for _, s := range sites {
		turns := s.turns()
		if len(turns) != 2*turnRounds {
			t.Errorf("%s: %d trainings, want %d: %v", s.name, len(turns), 2*turnRounds, turns)
		}
		if row := longestRow(turns); row > 2 {
			t.Errorf("%s: a run has %d turns in a row while another waits: %v", s.name, row, turns)
		}
	}
	if !*apart {
		return
	}
	begun = time.Now()
	for _, name := range []string{"third", "fourth"} {
		run := start(name)
		for _, s := range sites {
			s.awaitRounds(run, turnRounds)
		}
	}
	t.Logf("two runs of %d rounds at once: %.1f s, one after the other: %.1f s, %.2f times", turnRounds, together.Seconds(), time.Since(begun).Seconds(), together.Seconds()/time.Since(begun).Seconds())
}

// With room for two processes two runs train at the same time, each in one process from the first round to the last.
func TestTurnsAtOnce(t *testing.T) {
	t.Parallel()
	sites := countingMesh(t, "0.005", "  max_processes: 2\n")
	runs := []block.CID{}
	for _, name := range []string{"first", "second"} {
		runs = append(runs, sites[0].start(ledger.RunSpec{Name: name, Rounds: turnRounds, MinSites: 3}))
	}
	for _, s := range sites {
		for _, run := range runs {
			checkCounted(t, s.awaitRounds(run, turnRounds))
		}
		processes := map[string]string{}
		for _, turn := range s.turns() {
			if before := processes[turn[0]]; before != "" && before != turn[2] {
				t.Errorf("%s: run %s went from process %s to %s", s.name, turn[0], before, turn[2])
			}
			processes[turn[0]] = turn[2]
		}
	}
}
