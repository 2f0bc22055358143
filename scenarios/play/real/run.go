package real

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node"
	"github.com/weft-mesh/weft/node/local"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/scenarios/netem"
	"github.com/weft-mesh/weft/scenarios/netem/shape"
	"github.com/weft-mesh/weft/scenarios/sim"
)

const (
	turnEvery = 50 * time.Millisecond  // looks at the traces
	askEvery  = 500 * time.Millisecond // questions to the nodes
	askWait   = 2 * time.Second        // for an answer
	openWait  = time.Minute            // for the answer to the request for a run, whose first model is made meanwhile
)

// Line is a line of a site's trace, or, of site -1, of what was done to the mesh.
type Line struct {
	At   time.Duration
	Site int
	round.Trace
}

// Result is what a run has left.
type Result struct {
	Bed    netem.Kind
	Took   time.Duration // until every site was done, or the run's time was up
	Done   bool          // every site that was up at the end had every round
	Run    block.CID
	IDs    []peer.ID
	Up     []bool            // at the end
	Last   []*node.Status    // what each node said last, nil: nothing
	Blocks []Moved           // by each site, in all its lives
	Links  [][]shape.Traffic // [from][to]
	Trace  []Line            // by time
}

// Moved is bytes of blocks.
type Moved struct{ Sent, Received int64 }

// Run runs a mesh of real nodes. It leaves nothing behind, however it ends; what an earlier run that was killed
// has left it removes. see is told what the nodes say of themselves, now and then.
func Run(ctx context.Context, c Config, see func(at time.Duration, last []*node.Status)) (_ *Result, err error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	f, err := newFolder()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.remove()) }()
	bed, kind, err := c.open()
	if err != nil {
		return nil, err
	}
	defer bed.Close()
	m, err := c.found(f.dir, bed)
	if err != nil {
		return nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	carry, stop := context.WithCancel(ctx)
	group.Go(func() error { return bed.Run(carry) })
	var run *runner
	group.Go(func() error {
		defer stop()
		run = newRunner(&c, m, bed, see)
		err := errors.Join(run.play(ctx), m.Close(), run.read())
		return errors.Join(err, run.close())
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	run.result.Bed = kind
	return run.result, nil
}

// found makes the sites' directories.
func (c *Config) found(dir string, bed netem.TestBed) (*local.Mesh, error) {
	mesh := local.Config{Exe: c.Exe, Dir: dir, Name: "scenario", Faults: c.Faults, Reach: bed.Reach}
	for i, s := range c.Sites {
		site := local.Site{Name: s.Name, Trainer: s.Trainer, Outside: s.Outside}
		if c.Models != "" {
			site.Keep = int(c.Run.Spec.Rounds) + 1
		}
		if s.Decline {
			site.Accept = "ask" // and nobody answers
		}
		bed.Place(i, &site)
		mesh.Sites = append(mesh.Sites, site)
	}
	return local.New(mesh)
}

// runner does what the plan says when it is time, and watches.
type runner struct {
	*stage
	config  *Config
	mesh    *local.Mesh
	see     func(time.Duration, []*node.Status)
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

func newRunner(c *Config, m *local.Mesh, bed netem.TestBed, see func(time.Duration, []*node.Status)) *runner {
	run := &runner{
		stage: newStage(m, bed, c.Path), config: c, mesh: m, see: see,
		result: &Result{Last: make([]*node.Status, len(m.Nodes)), Blocks: make([]Moved, len(m.Nodes))},
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
			run.tell(i, round.Trace{Event: "up"})
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

// export writes down the models of all rounds, each from a site that holds it.
func (run *runner) export(ctx context.Context) error {
	if run.config.Models == "" {
		return nil
	}
	done := map[block.CID]bool{}
	for i, last := range run.result.Last {
		if last == nil || run.down[i] > 0 || run.frozen[i] > 0 {
			continue
		}
		for _, r := range last.Runs {
			for _, h := range r.History {
				if !h.Held || done[h.Model] {
					continue
				}
				if err := run.save(ctx, run.nodes[i], h.Model); err != nil {
					return fmt.Errorf("model of round %d from %s: %w", h.Round, run.nodes[i].Name, err)
				}
				done[h.Model] = true
			}
		}
	}
	return nil
}

func (run *runner) save(ctx context.Context, n *local.Node, model block.CID) error {
	r, err := n.Client.Model(ctx, model)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.Create(filepath.Join(run.config.Models, model.String()+".safetensors"))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
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
		run.tellFault("fault", f)
		if f.For > 0 {
			run.later(run.at()+f.For, func(context.Context) error {
				run.tellFault("mended", f)
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
func (run *runner) tell(site int, t round.Trace) {
	run.result.Trace = append(run.result.Trace, Line{run.at(), site, t})
}

func (run *runner) tellFault(event string, f *sim.Fault) {
	t := round.Trace{Event: event, Kind: string(f.Kind), Took: f.For}
	for _, i := range f.Sites {
		t.Sites = append(t.Sites, run.nodes[i].ID)
	}
	if f.Value != 0 {
		t.Text = fmt.Sprint(f.Value)
	}
	run.tell(-1, t)
}

// read takes what the nodes have traced, and begins the faults that waited for a round.
func (run *runner) read() error {
	for i, t := range run.tails {
		events, err := t.read()
		if err != nil {
			return fmt.Errorf("trace of %s: %w", run.nodes[i].Name, err)
		}
		for _, e := range events {
			run.result.Trace = append(run.result.Trace, Line{max(0, e.Time.Sub(run.begun)), i, e.Trace})
			if e.Event == "train" {
				run.round = max(run.round, e.Round)
			}
		}
	}
	run.waits = slices.DeleteFunc(run.waits, func(f *sim.Fault) bool {
		if f.Round > run.round {
			return false
		}
		run.later(run.at()+f.At, run.beginning(f))
		return true
	})
	return nil
}

// check returns an error if a node has ended that should run.
func (run *runner) check() error {
	for _, n := range run.nodes {
		if err := n.Check(); err != nil {
			return err
		}
	}
	return nil
}

// ask has every node say where it stands. One that does not answer is passed over: it may just be starting.
func (run *runner) ask(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	fresh := make([]bool, len(run.nodes))
	for i, n := range run.nodes {
		if run.down[i] > 0 || run.frozen[i] > 0 {
			continue
		}
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, askWait)
			defer cancel()
			if s, err := n.Client.Status(ctx); err == nil {
				run.heard(i, s)
				fresh[i] = true
			}
			run.approve(ctx, n.Client)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if run.see != nil {
		run.see(run.at(), run.result.Last)
	}
	run.result.Done = run.done(fresh)
	return nil
}

// heard takes what a node says of itself. It counts from its start on.
func (run *runner) heard(i int, s *node.Status) {
	if last := run.result.Last[i]; last != nil && !last.Since.Equal(s.Since) {
		run.past[i] = run.result.Blocks[i]
	}
	run.result.Last[i] = s
	run.result.Blocks[i] = Moved{run.past[i].Sent + s.Sent, run.past[i].Received + s.Received}
}

// done reports whether nothing remains to be seen: no fault is to come or to be mended, and every site that is up has
// the last model of the run.
func (run *runner) done(fresh []bool) bool {
	if len(run.todo) > 0 || !run.result.Run.Defined() || !run.fulfilled() {
		return false
	}
	some := false
	for i := range run.nodes {
		if run.down[i] > 0 || run.frozen[i] > 0 {
			continue
		}
		if last := run.result.Last[i]; last != nil && last.Observes {
			continue
		}
		if !fresh[i] || !run.config.Sites[i].Decline && !finished(run.result.Last[i], run.result.Run) {
			return false
		}
		some = true
	}
	return some
}

func finished(s *node.Status, id block.CID) bool {
	for _, r := range s.Runs {
		if r.ID == id {
			last := len(r.History) - 1
			return r.Phase == node.PhaseDone && last >= 0 && r.History[last].Held
		}
	}
	return false
}

// count takes what the links have carried.
func (run *runner) count() error {
	for from, n := range run.nodes {
		run.result.IDs, run.result.Up = append(run.result.IDs, n.ID), append(run.result.Up, n.Running())
		row := make([]shape.Traffic, len(run.nodes))
		for to := range row {
			if from == to {
				continue
			}
			var err error
			if row[to], err = run.bed.Traffic(from, to); err != nil {
				return err
			}
		}
		run.result.Links = append(run.result.Links, row)
	}
	return nil
}

// close ends the trace.
func (run *runner) close() (err error) {
	slices.SortStableFunc(run.result.Trace, func(a, b Line) int { return cmp.Compare(a.At, b.At) })
	for _, t := range run.tails {
		err = errors.Join(err, t.close())
	}
	return err
}
