package train

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// stateKept is how long a run's state stays after its last task: a run that sleeps longer begins without it.
const stateKept = 30 * 24 * time.Hour

// stateFolder returns the folder in which the user's process keeps what outlives it within a run, such as an optimizer's
// moments; the first task makes it. Folders of runs that had no task for long are removed.
func (c ExecConfig) stateFolder(run string) (string, error) {
	if c.StateDir == "" {
		return "", nil
	}
	dir, err := filepath.Abs(filepath.Join(c.StateDir, run))
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		now := time.Now() // before others are looked at: it may be this one that was away for long
		err = os.Chtimes(dir, now, now)
	}
	if err != nil {
		return "", fmt.Errorf("folder of the run's state: %w", err)
	}
	return dir, c.sweepState()
}

// sweepState removes the folders that no task has touched for stateKept.
func (c ExecConfig) sweepState() error {
	entries, err := os.ReadDir(c.StateDir)
	if err != nil {
		return fmt.Errorf("folders of state: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < stateKept {
			continue // one that is gone needs no removal
		}
		if err := os.RemoveAll(filepath.Join(c.StateDir, e.Name())); err != nil {
			return fmt.Errorf("remove old state: %w", err)
		}
	}
	return nil
}
