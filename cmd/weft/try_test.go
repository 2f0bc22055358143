package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// forever is a script that says its process and trains on.
const forever = `
import os, time, weft
from array import array
with open("pid-" + os.environ["WEFT_SITE"], "w") as f:
    f.write(str(os.getpid()))
model = {"w": array("f", [0])}
for task in weft.tasks(model, samples=1):
    open("begun-" + os.environ["WEFT_SITE"], "w").close()
    for _ in task.steps(range(100000)):
        time.sleep(0.01)
`

// TestTryInterrupted: Ctrl-C ends a try with all its nodes and scripts, and leaves no folder.
func TestTryInterrupted(t *testing.T) {
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
	dir, temp := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "train.py"), []byte(forever), 0o600); err != nil {
		t.Fatal(err)
	}
	python, err := filepath.Abs("../../python")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("weft", "try", "--", "python3", "train.py")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "PYTHONPATH="+python, "PYTHONDONTWRITEBYTECODE=1", "TMPDIR="+temp)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, site := range []string{"site-1", "site-2", "site-3"} {
		for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			if _, err := os.Stat(filepath.Join(dir, "begun-"+site)); err == nil {
				break
			}
			if time.Now().After(end) {
				_ = cmd.Process.Kill()
				t.Fatalf("%s does not train:\n%s", site, out.Bytes())
			}
		}
		text, err := os.ReadFile(filepath.Join(dir, "pid-"+site))
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(string(text))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	var nodes []int
	if runtime.GOOS == "linux" { // which says whose children they are
		if nodes = children(t, cmd.Process.Pid); len(nodes) != 3 {
			t.Errorf("%d nodes", len(nodes))
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	ended := new(exec.ExitError)
	if err := cmd.Wait(); !errors.As(err, &ended) || ended.ExitCode() != exitInterrupted || !strings.Contains(out.String(), "interrupted") {
		t.Errorf("it ends with %v:\n%s", err, out.Bytes())
	}
	for _, pid := range append(pids, nodes...) {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d is left: %v", pid, err)
		}
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left in the folder of temporary files: %v, %v", left, err)
	}
}

// children returns the processes that a process has started.
func children(t *testing.T, pid int) (pids []int) {
	t.Helper()
	tasks, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range tasks {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range strings.Fields(string(data)) {
			child, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, child)
		}
	}
	return pids
}
