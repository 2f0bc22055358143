package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/outfile"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node"
	"github.com/weft-mesh/weft/node/local"
	"github.com/weft-mesh/weft/train/builtin/corpus"
)

// MaxSites is how many sites one machine is asked to run.
const MaxSites = 16

// pollEvery is the time between two looks at the nodes.
const pollEvery = 150 * time.Millisecond

// ErrDiffer is returned when sites ended with different models, which weft is there to prevent.
var ErrDiffer = errors.New("the sites hold different models")

// Config is what the demo is to do.
type Config struct {
	Exe    string // the weft binary, for the nodes
	Dir    string // empty folder for the sites' directories
	Output string // file for the federated model
	Sites  int
	Rounds int
	Steps  int  // of each site in a round
	Full   bool // train all weights instead of a LoRA adapter
}

// Validate says what is wrong with the configuration, if anything.
func (c *Config) Validate() error {
	switch {
	case outfile.IsStdout(c.Output):
		return errors.New("the model cannot go where the demo prints its result: name a file with -o")
	case c.Sites < 2 || c.Sites > MaxSites:
		return fmt.Errorf("%d sites, want 2 to %d", c.Sites, MaxSites)
	case c.Rounds < 1 || c.Rounds > 1000:
		return fmt.Errorf("%d rounds, want 1 to 1000", c.Rounds)
	case c.Steps < 1 || c.Steps > 100_000:
		return fmt.Errorf("%d steps, want 1 to 100000", c.Steps)
	}
	return nil
}

// hyper returns the run's hyperparameters.
func (c *Config) hyper() map[string]string {
	h := map[string]string{"mode": "lora", "steps": strconv.Itoa(c.Steps)}
	if c.Full {
		h["mode"] = "full"
	}
	return h
}

// site is a site as the demo knows it.
type site struct {
	name string
	text corpus.Sample
	node *local.Node
}

// Demo is a demonstration under way.
type Demo struct {
	cfg    Config
	out    *term.Out
	mesh   *local.Mesh
	sites  []site
	screen *screen
	file   *outfile.File // for the federated model
	based  bool          // basePath is written: nodes do not keep a base for ever
}

// New makes the sites' directories and opens the file for the model; nothing runs yet.
func New(c Config, out *term.Out) (_ *Demo, err error) {
	d := &Demo{cfg: c, out: out}
	if d.file, err = outfile.Create(c.Output, nil); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			d.file.Discard()
		}
	}()
	mesh := local.Config{Exe: c.Exe, Dir: c.Dir, Name: "demo", Faults: ledger.Byzantine}
	for i := range c.Sites {
		text, err := corpus.Site(i, c.Sites)
		if err != nil {
			return nil, err
		}
		s := site{name: "site-" + string(rune('a'+i)), text: text}
		d.sites = append(d.sites, s)
		mesh.Sites = append(mesh.Sites, local.Site{Name: s.name, Trainer: fmt.Sprintf("{builtin: {data: %q, workers: %d}}", text, workersEach(c.Sites))})
	}
	if d.mesh, err = local.New(mesh); err != nil {
		return nil, err
	}
	for i := range d.sites {
		d.sites[i].node = d.mesh.Nodes[i]
	}
	d.screen = newScreen(out, &d.cfg, d.mesh.Genesis, d.sites, time.Now)
	return d, nil
}

// Run starts the nodes, opens the run, shows it to its end, measures and ends the nodes.
func (d *Demo) Run(ctx context.Context) (*Result, error) {
	defer d.file.Discard()
	var result *Result
	err := d.out.Live(ctx, d.screen.frame, func(ctx context.Context) error {
		var err error
		result, err = d.work(ctx)
		return err
	})
	return result, errors.Join(err, d.mesh.Close())
}

func (d *Demo) work(ctx context.Context) (*Result, error) {
	begun := time.Now()
	d.screen.say("starting %d nodes", len(d.sites))
	for _, s := range d.sites {
		if err := s.node.Start(); err != nil {
			return nil, err
		}
	}
	for _, s := range d.sites {
		if err := s.node.Ready(ctx); err != nil {
			return nil, err
		}
	}
	d.screen.say("opening the run")
	reply, err := d.sites[0].node.Client.Start(ctx, node.RunRequest{
		Spec: ledger.RunSpec{Name: "demo", Rounds: uint64(d.cfg.Rounds), MinSites: uint64(d.cfg.Sites), Train: d.cfg.hyper()},
		Init: true,
	})
	if err != nil {
		return nil, err
	}
	d.screen.say("")
	last, err := d.follow(ctx, reply.Run)
	if err != nil {
		return nil, err
	}
	r := &Result{Run: reply.Run, Mesh: d.mesh.Genesis.Block().CID, Federation: time.Since(begun)}
	if err := d.collect(ctx, r, last); err != nil {
		return nil, err
	}
	if err := d.compare(ctx, r); err != nil {
		return nil, err
	}
	r.Took = time.Since(begun)
	return r, os.Remove(d.modelPath()) // r.Output has it
}

// follow shows the run until every site has ended it, and returns their last status.
func (d *Demo) follow(ctx context.Context, run block.CID) ([]*node.Status, error) {
	for {
		all := make([]*node.Status, len(d.sites))
		ended := 0
		for i, s := range d.sites {
			st, err := d.look(ctx, s)
			if err != nil {
				return nil, err
			}
			all[i] = st
			done, err := d.hasEnded(ctx, s, runOf(st, run))
			if err != nil {
				return nil, err
			}
			if done {
				ended++
			}
		}
		d.screen.update(run, all)
		if ended == len(d.sites) {
			return all, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}

// look asks a site's node where it stands.
func (d *Demo) look(ctx context.Context, s site) (*node.Status, error) {
	if err := s.node.Check(); err != nil {
		return nil, err
	}
	st, err := s.node.Client.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", s.name, err)
	}
	return st, nil
}

// hasEnded reports whether a site has all rounds of the run, nil before it is open. Of a run just
// opened it keeps the base.
func (d *Demo) hasEnded(ctx context.Context, s site, r *node.RunStatus) (bool, error) {
	if r == nil {
		return false, nil
	}
	if !d.based {
		if err := save(ctx, s.node.Client, r.Spec.Base, d.basePath()); err != nil {
			return false, err
		}
		d.based = true
	}
	if r.Phase == node.PhaseStopped || r.Phase == node.PhaseDeclined {
		return false, fmt.Errorf("the run is %s at %s", r.Phase, s.name)
	}
	return r.Phase == node.PhaseDone && len(r.History) == d.cfg.Rounds && r.History[d.cfg.Rounds-1].Held, nil
}

func runOf(s *node.Status, id block.CID) *node.RunStatus {
	for i := range s.Runs {
		if s.Runs[i].ID == id {
			return &s.Runs[i]
		}
	}
	return nil
}

// collect reads from every site what it ended with, and writes the model that all hold.
func (d *Demo) collect(ctx context.Context, r *Result, last []*node.Status) error {
	for i, s := range d.sites {
		st := last[i]
		run := runOf(st, r.Run)
		model := run.History[len(run.History)-1].Model
		r.Sites = append(r.Sites, SiteResult{Site: s.name, Text: s.text.Kind, Model: model, Sent: st.Sent, Received: st.Received, Memory: st.Memory})
		if model != r.Sites[0].Model {
			return fmt.Errorf("%w: %s has %s, %s has %s", ErrDiffer, d.sites[0].name, r.Sites[0].Model, s.name, model)
		}
		r.Base = run.Spec.Base
	}
	r.Model = r.Sites[0].Model
	if err := save(ctx, d.sites[0].node.Client, r.Model, d.modelPath()); err != nil {
		return err
	}
	return d.publish(r)
}

// publish copies the federated model to where the person wants it.
func (d *Demo) publish(r *Result) error {
	f, err := os.Open(d.modelPath())
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(d.file, f); err != nil {
		return err
	}
	r.Output, r.ModelBytes = d.cfg.Output, d.file.Size()
	return d.file.Commit()
}

// basePath names the file with what the run began with.
func (d *Demo) basePath() string { return filepath.Join(d.cfg.Dir, "base.safetensors") }

// modelPath names the file with the federated model.
func (d *Demo) modelPath() string { return filepath.Join(d.cfg.Dir, "federated.safetensors") }

// save writes a model to a file.
func save(ctx context.Context, c *node.Client, model block.CID, path string) error {
	body, err := c.Model(ctx, model)
	if err != nil {
		return err
	}
	defer body.Close()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	return errors.Join(err, f.Close())
}
