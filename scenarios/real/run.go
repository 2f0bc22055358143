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
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/scenarios/local"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/scenarios/real/shape"
	"github.com/weft-mesh/weft/scenarios/sim"
)

const (
	turnEvery = 50 * time.Millisecond  // looks at the traces
	askEvery  = 500 * time.Millisecond // questions to the nodes
	askWait   = 2 * time.Second        // for an answer
	openWait  = time.Minute            // for the answer to the wish for a run, whose first model is made meanwhile
)

// Line is a line of a site's trace, or, of site -1, of what was done to the mesh.
type Line struct {
	At   time.Duration
	Site int
	round.Trace
}

// Result is what a run has left.
type Result struct {
	Ground Ground
	Took   time.Duration // until every site was done, or the run's time was up
	Done   bool          // every site that was up at the end had every round
	Run    block.CID
	IDs    []peer.ID
	Up     []bool            // at the end
	Last   []*api.Status     // what each node said last, nil: nothing
	Blocks []Moved           // by each site, in all its lives
	Links  [][]shape.Traffic // [from][to]
	Trace  []Line            // by time
}

// Moved is bytes of blocks.
type Moved struct{ Sent, Received int64 }

// Run runs a mesh of real nodes. It leaves nothing behind, however it ends; what an earlier run that was killed
// has left it removes. see is told what the nodes say of themselves, now and then.
func Run(ctx context.Context, c Config, see func(at time.Duration, last []*api.Status)) (_ *Result, err error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	f, err := newFolder()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.remove()) }()
	g, kind, err := c.prepare()
	if err != nil {
		return nil, err
	}
	defer g.close()
	m, err := c.found(f.dir, g)
	if err != nil {
		return nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	carry, stop := context.WithCancel(ctx)
	group.Go(func() error { return g.run(carry) })
	var d *director
	group.Go(func() error {
		defer stop()
		d = newDirector(&c, m, g, see)
		err := errors.Join(d.direct(ctx), m.Close(), d.read())
		return errors.Join(err, d.close())
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	d.result.Ground = kind
	return d.result, nil
}

// found makes the sites' directories.
func (c *Config) found(dir string, g ground) (*local.Mesh, error) {
	mesh := local.Config{Exe: c.Exe, Dir: dir, Name: "scenario", Faults: c.Faults, Reach: g.reach}
	for i, s := range c.Sites {
		site := local.Site{Name: s.Name, Trainer: s.Trainer, Outside: s.Outside}
		if c.Models != "" {
			site.Keep = int(c.Run.Spec.Rounds) + 1
		}
		if s.Decline {
			site.Accept = "ask" // and nobody answers
		}
		g.site(i, &site)
		mesh.Sites = append(mesh.Sites, site)
	}
	return local.New(mesh)
}

// director does what the plan says when it is time, and watches.
type director struct {
	*stage
	config *Config
	mesh   *local.Mesh
	see    func(time.Duration, []*api.Status)
	begun  time.Time
	tails  []*tail
	todo   []deed       // by time
	waits  []*sim.Fault // for a round
	wishes []wish       // of the operators, for the roster
	round  uint64       // the newest that a site trains
	past   []Moved      // by a site before its present life
	result *Result
}

// deed is something to do at a time.
type deed struct {
	at time.Duration
	do func(context.Context) error
}

func newDirector(c *Config, m *local.Mesh, g ground, see func(time.Duration, []*api.Status)) *director {
	d := &director{
		stage: newStage(m, g, c.Path), config: c, mesh: m, see: see,
		result: &Result{Last: make([]*api.Status, len(m.Nodes)), Blocks: make([]Moved, len(m.Nodes))},
		past:   make([]Moved, len(m.Nodes)),
	}
	d.stage.tell = d.tell
	for _, n := range m.Nodes {
		d.tails = append(d.tails, &tail{path: filepath.Join(n.Dir, "trace.jsonl")})
	}
	return d
}

// direct is the run, from the first node's start to the end.
func (d *director) direct(ctx context.Context) error {
	if err := d.start(ctx); err != nil {
		return err
	}
	d.begun = time.Now()
	for i := range d.nodes {
		if d.down[i] == 0 {
			d.tell(i, round.Trace{Event: "up"})
		}
	}
	d.plan()
	turn, ask := time.NewTicker(turnEvery), time.NewTicker(askEvery)
	defer turn.Stop()
	defer ask.Stop()
	for d.at() < d.config.Until && !d.result.Done {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-turn.C:
			err = errors.Join(d.read(), d.work(ctx), d.check())
		case <-ask.C:
			err = d.ask(ctx)
		}
		if err != nil {
			return err
		}
	}
	d.result.Took = d.at()
	return errors.Join(d.count(), d.export(ctx))
}

// export writes down the models of all rounds, each from a site that holds it.
func (d *director) export(ctx context.Context) error {
	if d.config.Models == "" {
		return nil
	}
	done := map[block.CID]bool{}
	for i, last := range d.result.Last {
		if last == nil || d.down[i] > 0 || d.frozen[i] > 0 {
			continue
		}
		for _, r := range last.Runs {
			for _, h := range r.History {
				if !h.Held || done[h.Model] {
					continue
				}
				if err := d.save(ctx, d.nodes[i], h.Model); err != nil {
					return fmt.Errorf("model of round %d from %s: %w", h.Round, d.nodes[i].Name, err)
				}
				done[h.Model] = true
			}
		}
	}
	return nil
}

func (d *director) save(ctx context.Context, n *local.Node, model block.CID) error {
	r, err := n.Client.Model(ctx, model)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.Create(filepath.Join(d.config.Models, model.String()+".safetensors"))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

func (d *director) at() time.Duration { return time.Since(d.begun) }

// start starts the nodes that are there from the beginning, and waits until they answer.
func (d *director) start(ctx context.Context) error {
	for i, s := range d.config.Sites {
		if s.Start > 0 {
			d.down[i] = 1
		} else if err := d.nodes[i].Start(); err != nil {
			return err
		}
	}
	for i, n := range d.nodes {
		if d.down[i] == 0 {
			if err := n.Ready(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// plan says what is to be done when.
func (d *director) plan() {
	for i, s := range d.config.Sites {
		if s.Start > 0 {
			d.later(s.Start, func(context.Context) error { return d.power(i, -1, false) })
		}
	}
	d.later(d.config.Opens, d.openRun)
	for i := range d.config.Plan {
		f := &d.config.Plan[i]
		if f.Round > 0 {
			d.waits = append(d.waits, f)
		} else {
			d.later(f.At, d.beginning(f))
		}
	}
}

func (d *director) later(at time.Duration, do func(context.Context) error) {
	i, _ := slices.BinarySearchFunc(d.todo, at, func(x deed, at time.Duration) int {
		if x.at <= at {
			return -1
		}
		return 1
	})
	d.todo = slices.Insert(d.todo, i, deed{at, do})
}

// beginning lets a fault happen, and has it mended later.
func (d *director) beginning(f *sim.Fault) func(context.Context) error {
	return func(context.Context) error {
		d.tellFault("fault", f)
		if f.For > 0 {
			d.later(d.at()+f.For, func(context.Context) error {
				d.tellFault("mended", f)
				return d.mend(f)
			})
		}
		if slices.Contains(sim.RosterKinds, f.Kind) {
			d.want(f)
			return nil
		}
		return d.begin(f)
	}
}

// work does what is due.
func (d *director) work(ctx context.Context) error {
	for len(d.todo) > 0 && d.todo[0].at <= d.at() {
		next := d.todo[0]
		d.todo = d.todo[1:]
		if err := next.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// openRun has the first site that is up ask for the run.
func (d *director) openRun(ctx context.Context) error {
	for i, n := range d.nodes {
		if d.down[i] > 0 || d.frozen[i] > 0 || d.config.Sites[i].Outside {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, openWait)
		reply, err := n.Client.Start(ctx, d.config.Run)
		cancel()
		if err != nil {
			return fmt.Errorf("ask %s for the run: %w", n.Name, err)
		}
		d.result.Run = reply.Run
		return nil
	}
	return errors.New("no site is up to ask for the run")
}

// tell writes a line into the result's trace.
func (d *director) tell(site int, t round.Trace) {
	d.result.Trace = append(d.result.Trace, Line{d.at(), site, t})
}

func (d *director) tellFault(event string, f *sim.Fault) {
	t := round.Trace{Event: event, Kind: string(f.Kind), Took: f.For}
	for _, i := range f.Sites {
		t.Sites = append(t.Sites, d.nodes[i].ID)
	}
	if f.Value != 0 {
		t.Text = fmt.Sprint(f.Value)
	}
	d.tell(-1, t)
}

// read takes what the nodes have traced, and begins the faults that waited for a round.
func (d *director) read() error {
	for i, t := range d.tails {
		events, err := t.read()
		if err != nil {
			return fmt.Errorf("trace of %s: %w", d.nodes[i].Name, err)
		}
		for _, e := range events {
			d.result.Trace = append(d.result.Trace, Line{max(0, e.Time.Sub(d.begun)), i, e.Trace})
			if e.Event == "train" {
				d.round = max(d.round, e.Round)
			}
		}
	}
	d.waits = slices.DeleteFunc(d.waits, func(f *sim.Fault) bool {
		if f.Round > d.round {
			return false
		}
		d.later(d.at()+f.At, d.beginning(f))
		return true
	})
	return nil
}

// check returns an error if a node has ended that should run.
func (d *director) check() error {
	for _, n := range d.nodes {
		if err := n.Check(); err != nil {
			return err
		}
	}
	return nil
}

// ask has every node say where it stands. One that does not answer is passed over: it may just be starting.
func (d *director) ask(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	fresh := make([]bool, len(d.nodes))
	for i, n := range d.nodes {
		if d.down[i] > 0 || d.frozen[i] > 0 {
			continue
		}
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, askWait)
			defer cancel()
			if s, err := n.Client.Status(ctx); err == nil {
				d.heard(i, s)
				fresh[i] = true
			}
			d.approve(ctx, n.Client)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if d.see != nil {
		d.see(d.at(), d.result.Last)
	}
	d.result.Done = d.done(fresh)
	return nil
}

// heard takes what a node says of itself. It counts from its start on.
func (d *director) heard(i int, s *api.Status) {
	if last := d.result.Last[i]; last != nil && !last.Since.Equal(s.Since) {
		d.past[i] = d.result.Blocks[i]
	}
	d.result.Last[i] = s
	d.result.Blocks[i] = Moved{d.past[i].Sent + s.Sent, d.past[i].Received + s.Received}
}

// done reports whether nothing remains to be seen: no fault is to come or to be mended, and every site that is up has
// the last model of the run.
func (d *director) done(fresh []bool) bool {
	if len(d.todo) > 0 || !d.result.Run.Defined() || !d.wished() {
		return false
	}
	some := false
	for i := range d.nodes {
		if d.down[i] > 0 || d.frozen[i] > 0 {
			continue
		}
		if last := d.result.Last[i]; last != nil && last.Observes {
			continue
		}
		if !fresh[i] || !d.config.Sites[i].Decline && !finished(d.result.Last[i], d.result.Run) {
			return false
		}
		some = true
	}
	return some
}

func finished(s *api.Status, id block.CID) bool {
	for _, r := range s.Runs {
		if r.ID == id {
			last := len(r.History) - 1
			return r.Phase == api.PhaseDone && last >= 0 && r.History[last].Held
		}
	}
	return false
}

// count takes what the links have carried.
func (d *director) count() error {
	for from, n := range d.nodes {
		d.result.IDs, d.result.Up = append(d.result.IDs, n.ID), append(d.result.Up, n.Running())
		row := make([]shape.Traffic, len(d.nodes))
		for to := range row {
			if from == to {
				continue
			}
			var err error
			if row[to], err = d.ground.traffic(from, to); err != nil {
				return err
			}
		}
		d.result.Links = append(d.result.Links, row)
	}
	return nil
}

// close ends the trace.
func (d *director) close() (err error) {
	slices.SortStableFunc(d.result.Trace, func(a, b Line) int { return cmp.Compare(a.At, b.At) })
	for _, t := range d.tails {
		err = errors.Join(err, t.close())
	}
	return err
}
