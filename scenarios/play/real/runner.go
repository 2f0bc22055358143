package real

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/scenarios/local"
	"github.com/weft-mesh/weft/scenarios/netem"
	"github.com/weft-mesh/weft/scenarios/sim"
	"github.com/weft-mesh/weft/trace"
)

// runner does what the plan says when it is time, and watches.
type runner struct {
	*stage
	config  *Config
	mesh    *local.Mesh
	see     func(time.Duration, []*api.Status)
	begun   time.Time
	tails   []*tail
	todo    []action     // by time
	waits   []*sim.Fault // for a round
	intents []intent     // of the operators, for the roster
	round   uint64       // the newest that a site trains
	past    []Moved      // by a site before its present life
	result  *Result
}

// action is something to do at a time.
type action struct {
	at time.Duration
	do func(context.Context) error
}

func newRunner(c *Config, m *local.Mesh, bed netem.TestBed, see func(time.Duration, []*api.Status)) *runner {
	run := &runner{
		stage: newStage(m, bed, c.Path), config: c, mesh: m, see: see,
		result: &Result{Last: make([]*api.Status, len(m.Nodes)), Blocks: make([]Moved, len(m.Nodes))},
		past:   make([]Moved, len(m.Nodes)),
	}
	run.stage.tell = run.tell
	for _, n := range m.Nodes {
		run.tails = append(run.tails, &tail{path: filepath.Join(n.Dir, "trace.jsonl")})
	}
	return run
}

// play is the whole, from the first node's start to the end.
func (run *runner) play(ctx context.Context) error {
	if err := run.start(ctx); err != nil {
		return err
	}
	run.begun = time.Now()
	for i := range run.nodes {
		if run.down[i] == 0 {
			run.tell(i, trace.Up{})
		}
	}
	run.plan()
	turn, ask := time.NewTicker(turnEvery), time.NewTicker(askEvery)
	defer turn.Stop()
	defer ask.Stop()
	for run.at() < run.config.Until && !run.result.Done {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-turn.C:
			err = errors.Join(run.read(), run.work(ctx), run.check())
		case <-ask.C:
			err = run.ask(ctx)
		}
		if err != nil {
			return err
		}
	}
	run.result.Took = run.at()
	return errors.Join(run.count(), run.export(ctx))
}

func (run *runner) at() time.Duration { return time.Since(run.begun) }

// start starts the nodes that are there from the beginning, and waits until they answer.
func (run *runner) start(ctx context.Context) error {
	for i, s := range run.config.Sites {
		if s.Start > 0 {
			run.down[i] = 1
		} else if err := run.nodes[i].Start(); err != nil {
			return err
		}
	}
	for i, n := range run.nodes {
		if run.down[i] == 0 {
			if err := n.Ready(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// plan says what is to be done when.
func (run *runner) plan() {
	for i, s := range run.config.Sites {
		if s.Start > 0 {
			run.later(s.Start, func(context.Context) error { return run.power(i, -1, false) })
		}
	}
	run.later(run.config.Opens, run.openRun)
	for i := range run.config.Plan {
		f := &run.config.Plan[i]
		if f.Round > 0 {
			run.waits = append(run.waits, f)
		} else {
			run.later(f.At, run.beginning(f))
		}
	}
}

func (run *runner) later(at time.Duration, do func(context.Context) error) {
	i, _ := slices.BinarySearchFunc(run.todo, at, func(x action, at time.Duration) int {
		if x.at <= at {
			return -1
		}
		return 1
	})
	run.todo = slices.Insert(run.todo, i, action{at, do})
}

// beginning lets a fault happen, and has it mended later.
func (run *runner) beginning(f *sim.Fault) func(context.Context) error {
	return func(context.Context) error {
		run.tell(-1, trace.Fault{Trouble: run.told(f)})
		if f.For > 0 {
			run.later(run.at()+f.For, func(context.Context) error {
				run.tell(-1, trace.Mended{Trouble: run.told(f)})
				return run.mend(f)
			})
		}
		if slices.Contains(sim.RosterKinds, f.Kind) {
			run.want(f)
			return nil
		}
		return run.begin(f)
	}
}

// work does what is due.
func (run *runner) work(ctx context.Context) error {
	for len(run.todo) > 0 && run.todo[0].at <= run.at() {
		next := run.todo[0]
		run.todo = run.todo[1:]
		if err := next.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// openRun has the first site that is up ask for the run.
func (run *runner) openRun(ctx context.Context) error {
	for i, n := range run.nodes {
		if run.down[i] > 0 || run.frozen[i] > 0 || run.config.Sites[i].Outside {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, openWait)
		reply, err := n.Client.Start(ctx, run.config.Run)
		cancel()
		if err != nil {
			return fmt.Errorf("ask %s for the run: %w", n.Name, err)
		}
		run.result.Run = reply.Run
		return nil
	}
	return errors.New("no site is up to ask for the run")
}

// tell writes a line into the result's trace.
func (run *runner) tell(site int, t trace.Event) {
	run.result.Trace = append(run.result.Trace, scenarios.Line{At: run.at(), Site: site, Event: t})
}

// told is a fault as events tell it.
func (run *runner) told(f *sim.Fault) trace.Trouble {
	t := trace.Trouble{Fault: string(f.Kind), For: f.For}
	for _, i := range f.Sites {
		t.Sites = append(t.Sites, run.nodes[i].ID)
	}
	if f.Value != 0 {
		t.Words = fmt.Sprint(f.Value)
	}
	return t
}

// close ends the trace.
func (run *runner) close() (err error) {
	slices.SortStableFunc(run.result.Trace, func(a, b scenarios.Line) int { return cmp.Compare(a.At, b.At) })
	for _, t := range run.tails {
		err = errors.Join(err, t.close())
	}
	return err
}
