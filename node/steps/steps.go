package steps

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/weft-mesh/weft/atomicfile"
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/train"
)

const (
	maxTrainings = 50 // of a run that are kept: one a round, but for further attempts
	maxLines     = 2 * maxTrainings
	maxRuns      = 32 // whose files are kept when a node starts
)

// Log has the curves of a site's trainings. Its methods may be called from any goroutine.
type Log struct {
	dir string
	log *slog.Logger

	mu   sync.Mutex
	runs map[block.CID]*curves // that train at the moment; the others' are in their files
}

// curves are those of a run.
type curves struct {
	list  []*series // the newest last
	lines int       // of the file
}

// Open makes the folder of the curves, if need be.
func Open(dir string, log *slog.Logger) (*Log, error) {
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = prune(dir, maxRuns)
	}
	if err != nil {
		return nil, fmt.Errorf("curves of trainings: %w", err)
	}
	return &Log{dir: dir, log: log, runs: map[block.CID]*curves{}}, nil
}

// open reads the curves of a run; what cannot be read counts as none.
func (l *Log) open(run block.CID) *curves {
	list, lines, err := readFile(path(l.dir, run))
	if err != nil {
		l.log.Warn("the curves of a run's trainings cannot be read", "run", run.Short(), "error", err)
	}
	c := &curves{lines: lines}
	for _, t := range list {
		c.list = append(c.list, &series{TrainingSteps: t})
	}
	return c
}

// Of returns the curves of a run, of the training under way too; the oldest first.
func (l *Log) Of(run block.CID) ([]api.TrainingSteps, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.runs[run]
	if c == nil {
		return Read(l.dir, run)
	}
	list := []api.TrainingSteps{}
	for _, s := range c.list {
		if t := s.TrainingSteps; len(t.Points) > 0 {
			t.Points = slices.Clone(t.Points)
			list = append(list, t)
		}
	}
	return list, nil
}

// Begin begins the curve of a training, or goes on with it if it is the run's last. What is said of it goes to add; at its end it is
// written down. A run has one training at a time.
func (l *Log) Begin(run block.CID, round, attempt uint64) (add func(train.Progress), end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.open(run)
	l.runs[run] = c
	s := c.begin(round, attempt)
	add = func(p train.Progress) {
		if metrics := finite(p); len(metrics) > 0 {
			l.mu.Lock()
			defer l.mu.Unlock()
			s.Steps = p.Steps
			s.add(api.StepPoint{Step: p.Step, Time: time.Now(), Metrics: metrics})
		}
	}
	return add, func() { l.end(run, c, s) }
}

// begin returns the curve of a training.
func (c *curves) begin(round, attempt uint64) *series {
	s := &series{TrainingSteps: api.TrainingSteps{Round: round, Attempt: attempt}}
	if n := len(c.list); n > 0 {
		if last := c.list[n-1]; last.Round == round && last.Attempt == attempt {
			return last
		}
		s.From = c.list[n-1].end()
	}
	if c.list = append(c.list, s); len(c.list) > maxTrainings {
		c.list = slices.Delete(c.list, 0, 1)
	}
	return s
}

// end writes a training down. One that cannot be written is lost: nothing depends on it.
func (l *Log) end(run block.CID, c *curves, s *series) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.runs, run)
	if len(s.Points) == 0 {
		return
	}
	var err error
	if c.lines >= maxLines {
		err = atomicfile.Write(path(l.dir, run), whole(c.list), 0o600)
	} else {
		err = appendTo(path(l.dir, run), line(s.TrainingSteps))
	}
	if err != nil {
		l.log.Warn("the curve of a training is not written", "run", run.Short(), "round", s.Round, "error", err)
	}
}
