package try

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/scenarios/local"
)

// ErrDiffer is returned when sites ended with different models, which weft is there to prevent.
var ErrDiffer = errors.New("the sites hold different models")

// Try is a mesh on this machine, and the run in it.
type Try struct {
	cfg    Config
	out    *term.Out
	mesh   *local.Mesh
	Screen *Screen
	kills  *kills
	begun  time.Time
}

// New makes the sites' directories; nothing runs yet.
func New(c Config, out *term.Out) (*Try, error) {
	mesh := local.Config{Exe: c.Exe, Dir: c.Dir, Name: c.Run.Name, Faults: ledger.Byzantine}
	for _, s := range c.Sites {
		mesh.Sites = append(mesh.Sites, local.Site{Name: s.Name, Trainer: s.Trainer, Keep: c.Keep, Evaluate: c.Measure, Cross: c.Cross != ""})
	}
	m, err := local.New(mesh)
	if err != nil {
		return nil, err
	}
	t := &Try{cfg: c, out: out, mesh: m, kills: newKills(c.Kills)}
	t.Screen = newScreen(out, &t.cfg, m.Genesis, time.Now)
	return t, nil
}

// Run starts the nodes, opens the run, shows it until its last model is measured, calls then while the nodes still run, and ends
// them.
func (t *Try) Run(ctx context.Context, then func(context.Context, *Result) error) (*Result, error) {
	var result *Result
	err := t.out.Live(ctx, t.Screen.frame, func(ctx context.Context) (err error) {
		if result, err = t.work(ctx); err == nil {
			err = then(ctx, result)
		}
		return err
	})
	return result, errors.Join(err, t.stop())
}

// stop ends the nodes, which end their trainers, and kills what does not end.
func (t *Try) stop() error {
	var g errgroup.Group
	for _, n := range t.mesh.Nodes {
		g.Go(n.Stop)
	}
	return errors.Join(g.Wait(), t.mesh.Close())
}

func (t *Try) work(ctx context.Context) (*Result, error) {
	t.begun = time.Now()
	t.Screen.Say("starting %s", term.Plural(len(t.mesh.Nodes), "node"))
	if err := t.start(ctx, t.mesh.Nodes...); err != nil {
		return nil, err
	}
	opens := time.Now()
	run, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	r := &Result{Run: run, Mesh: t.mesh.Genesis.Block().CID, Started: opens.Sub(t.begun), Opened: time.Since(opens)}
	t.Screen.Say("")
	last, err := t.follow(ctx, run)
	if err != nil {
		return nil, err
	}
	t.Screen.Say("")
	r.Federation = time.Since(t.begun)
	if err := t.kills.missed(t.cfg.Sites); err != nil {
		return nil, err
	}
	if err := r.collect(t.cfg.Sites, last); err != nil {
		return nil, err
	}
	return r, r.choose(t.cfg.Best, runOf(last[0], run).Best)
}

func (t *Try) start(ctx context.Context, nodes ...*local.Node) error {
	for _, n := range nodes {
		if err := n.Start(); err != nil {
			return err
		}
	}
	for _, n := range nodes {
		if err := n.Ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// open asks for the run at the first site, whose trainer makes the model if no file is named.
func (t *Try) open(ctx context.Context) (block.CID, error) {
	what := "opening the run"
	if t.cfg.Model == "" {
		what += ": " + t.cfg.Sites[0].Name + " makes the model that it begins with"
	}
	t.Screen.Say("%s", what)
	spec := t.cfg.Run
	spec.MinSites, spec.Selection = t.cfg.minSites(), ledger.NewSelection(ledger.Terms{Best: t.cfg.Best, Cross: t.cfg.Cross})
	reply, err := t.mesh.Nodes[0].Client.Start(ctx, api.RunRequest{Spec: spec, Model: t.cfg.Model, Init: t.cfg.Model == "", Wide: true})
	if refused := new(api.Error); errors.As(err, &refused) && refused.Field == "model.init" {
		return block.CID{}, &ScriptError{t.cfg.Sites[0].Name, refused.Message, refused.Hint}
	}
	if reply.Note != "" {
		t.Screen.event("%s", reply.Note)
	}
	return reply.Run, err
}

// ScriptError is returned when a site's trainer fails: a try ends with the first failure, where a mesh would try again.
type ScriptError struct{ Site, Text, Advice string }

func (e *ScriptError) Error() string { return e.Site + ": " + e.Text }

// Save writes a model of the run, which the first site holds, to w.
func (t *Try) Save(ctx context.Context, run, model block.CID, w io.Writer) error {
	body, err := t.mesh.Nodes[0].Client.Model(ctx, run, model)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(w, body)
	return err
}

// SaveFile is Save to a file.
func (t *Try) SaveFile(ctx context.Context, run, model block.CID, path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(t.Save(ctx, run, model, f), f.Close())
}
