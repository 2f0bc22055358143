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

	"github.com/weft-mesh/weft/cmd/weft/outfile"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/cmd/weft/try"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/scenarios/local"
	"github.com/weft-mesh/weft/train/builtin/corpus"
)

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
	case c.Sites < 2 || c.Sites > try.MaxSites:
		return fmt.Errorf("%d sites, want 2 to %d", c.Sites, try.MaxSites)
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
}

// Demo is a demonstration under way: a try with the embedded trainer, and a comparison.
type Demo struct {
	cfg    Config
	sites  []site
	try    *try.Try
	screen *try.Screen
	file   *outfile.File // for the federated model
}

// New makes the sites' directories and opens the file for the model; nothing runs yet.
func New(c Config, out *term.Out) (_ *Demo, err error) {
	d := &Demo{cfg: c}
	if d.file, err = outfile.Create(c.Output, nil); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			d.file.Discard()
		}
	}()
	kind := "LoRA adapter"
	if c.Full {
		kind = "all weights"
	}
	t := try.Config{
		Exe: c.Exe, Dir: c.Dir, Heading: "weft demo", Keep: c.Rounds + 1,
		About: fmt.Sprintf("%s of the embedded base, %s of %s at each site", kind, term.Plural(c.Rounds, "round"), term.Plural(c.Steps, "step")),
		Run:   ledger.RunSpec{Name: "demo", Rounds: uint64(c.Rounds), Train: c.hyper()},
	}
	for i := range c.Sites {
		text, err := corpus.Site(i, c.Sites)
		if err != nil {
			return nil, err
		}
		s := site{name: "site-" + string(rune('a'+i)), text: text}
		d.sites = append(d.sites, s)
		t.Sites = append(t.Sites, try.Site{Name: s.name, Has: text.Kind, Trainer: fmt.Sprintf("{builtin: {data: %q, workers: %d}}", text, local.ThreadsEach(c.Sites))})
	}
	if d.try, err = try.New(t, out); err != nil {
		return nil, err
	}
	d.screen = d.try.Screen
	return d, nil
}

// Run starts the nodes, opens the run, shows it to its end, measures and ends the nodes.
func (d *Demo) Run(ctx context.Context) (*Result, error) {
	defer d.file.Discard()
	begun := time.Now()
	var result *Result
	_, err := d.try.Run(ctx, func(ctx context.Context, r *try.Result) (err error) {
		result = d.result(r)
		if err = d.save(ctx, r); err != nil {
			return err
		}
		if err = d.compare(ctx, result); err != nil {
			return err
		}
		result.Took = time.Since(begun)
		return errors.Join(d.publish(result), os.Remove(d.modelPath()))
	})
	return result, err
}

// result is what the federation came to.
func (d *Demo) result(r *try.Result) *Result {
	all := &Result{Run: r.Run, Mesh: r.Mesh, Base: r.Base, Model: r.Model, Federation: r.Federation}
	for i, s := range r.Sites {
		all.Sites = append(all.Sites, SiteResult{Site: s.Site, Text: d.sites[i].text.Kind, Model: s.Model, Sent: s.Sent, Received: s.Received, Memory: s.Memory})
	}
	return all
}

// save writes the base and the federated model to files.
func (d *Demo) save(ctx context.Context, r *try.Result) error {
	if err := d.try.SaveFile(ctx, r.Run, r.Base, d.basePath()); err != nil {
		return err
	}
	return d.try.SaveFile(ctx, r.Run, r.Model, d.modelPath())
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
