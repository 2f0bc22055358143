package jobs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/train"
)

// states are the folders that the trainer keeps things in from task to task, one for each run. A folder is there from
// the run's first task until the run is over; the site's own tensors of the run stay, as the models do.
type states struct {
	dir string

	mu   sync.Mutex
	held map[block.CID]bool // runs that have one
}

// openStates finds the folders that are there already.
func openStates(dir string) (*states, error) {
	s := &states{dir: dir, held: map[block.CID]bool{}}
	all, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("folders of runs: %w", err)
	}
	for _, f := range all {
		if run, err := block.Parse(f.Name()); err == nil {
			s.held[run] = true
		}
	}
	return s, nil
}

// folder returns the folder of a run, and makes it if need be.
func (s *states) folder(run block.CID) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := s.path(run)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", fmt.Errorf("folder of the run: %w", err)
	}
	s.held[run] = true
	return path, nil
}

// over returns the runs that are over and have a folder, once.
func (s *states) over(l *ledger.Ledger) (runs []block.CID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for run := range s.held {
		if r := l.Run(run); r != nil && !r.Active() && !r.Measurable() { // one that is not known may be yet
			runs = append(runs, run)
			delete(s.held, run)
		}
	}
	return runs
}

// remove removes the folder of a run that is over, but for the site's own tensors.
func (s *states) remove(run block.CID) error {
	if s.left(run) == "" {
		return os.RemoveAll(s.path(run))
	}
	all, err := os.ReadDir(s.path(run))
	for _, f := range all {
		if f.Name() != train.LocalFile {
			err = errors.Join(err, os.RemoveAll(filepath.Join(s.path(run), f.Name())))
		}
	}
	return err
}

// left returns the folder of a run if it has the site's own tensors, which are left when the run is over; else nothing.
func (s *states) left(run block.CID) string {
	if _, err := os.Stat(filepath.Join(s.path(run), train.LocalFile)); err != nil {
		return ""
	}
	return s.path(run)
}

func (s *states) path(run block.CID) string { return filepath.Join(s.dir, run.String()) }
