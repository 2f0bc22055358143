package train

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Each run has its folder; one that had no task for long goes, even if it is the next task's own that was away.
func TestStateFolder(t *testing.T) {
	if dir, err := (ExecConfig{}).stateFolder("a"); dir != "" || err != nil {
		t.Errorf("without a place: %q, %v", dir, err)
	}
	c := ExecConfig{StateDir: filepath.Join(t.TempDir(), "state")}
	for _, run := range []string{"a", "b", "c"} {
		dir, err := c.stateFolder(run)
		if err != nil || dir != filepath.Join(c.StateDir, run) {
			t.Fatal(dir, err)
		}
		if err := os.WriteFile(filepath.Join(dir, "moments"), []byte(run), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-stateKept - time.Hour)
	for _, run := range []string{"a", "b"} {
		if err := os.Chtimes(filepath.Join(c.StateDir, run), long, long); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.stateFolder("a"); err != nil {
		t.Fatal(err)
	}
	for run, want := range map[string]bool{"a": true, "b": false, "c": true} {
		if _, err := os.Stat(filepath.Join(c.StateDir, run, "moments")); (err == nil) != want {
			t.Errorf("state of %s: %v, want it kept: %t", run, err, want)
		}
	}
}

func TestFirstRank(t *testing.T) {
	env := []string{"PATH=/bin", "RANK=0", "LOCAL_RANK=1", "SLURM_PROCID=2", "SLURM_NTASKS=3", "MY_RANK=4"}
	want := []string{"PATH=/bin", "RANK=0", "SLURM_NTASKS=3", "MY_RANK=4"}
	if got := firstRank(env); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
