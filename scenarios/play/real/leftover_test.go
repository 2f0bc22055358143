package real

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// TestLeftovers: what a killed run leaves is removed, with its nodes; what is in use, or not ours, stays.
func TestLeftovers(t *testing.T) {
	parent := t.TempDir()
	t.Setenv("TMPDIR", parent)
	running, err := newFolder()
	if err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(parent, folderPrefix+"stale")
	other := filepath.Join(parent, "weft-demo-1")
	for _, dir := range []string{filepath.Join(stale, "site-1"), filepath.Join(stale, "site-2"), other} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	node := holdLock(t, filepath.Join(stale, "site-1", lockName))

	next, err := newFolder()
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]bool{running.dir: true, next.dir: true, other: true, stale: false} {
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) == want {
			t.Errorf("%s: %v, want it to be there: %t", dir, err, want)
		}
	}
	var ended *exec.ExitError
	if err := node.Wait(); !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the node that was left: %v, want it killed", err)
	}
	if err := errors.Join(running.remove(), next.remove()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(running.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("removed: %v", err)
	}
}

// holdLock starts a process that holds a lock as a node does.
func holdLock(t *testing.T, path string) *exec.Cmd {
	t.Helper()
	f, err := lock(path)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", "60")
	cmd.ExtraFiles = []*os.File{f} // the lock is shared with it
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(strconv.Itoa(cmd.Process.Pid) + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	stop := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() { stop.Stop() })
	return cmd
}
