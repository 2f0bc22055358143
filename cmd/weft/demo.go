//go:build !node

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/demo"
)

// The demo's recipe: on two cores the rounds and the comparison take under two minutes.
const (
	demoSites  = 3
	demoRounds = 4
	demoSteps  = 40
)

// demoRun is `weft demo`.
type demoRun struct {
	config demo.Config
	keep   string
}

func newDemo(e *env) *cobra.Command {
	c := &demoRun{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Three sites on this machine fine-tune a model together",
		Long: `Start sites as separate processes on this machine, each with its own directory, key,
data and trainer; open a run; show it to its end; then compare the federated model
with the base and with what each site gets alone in as many steps. Nothing but this
binary is needed, and nothing leaves the machine.`,
		Example: `  weft demo
  weft demo --sites 4 --rounds 6
  weft demo --full
  weft demo --keep ./demo      then: weft --dir demo/site-a ledger --car m.car`,
		Args: cobra.NoArgs,
		RunE: e.runs(c.run),
	}
	f := cmd.Flags()
	f.IntVar(&c.config.Sites, "sites", demoSites, "how many sites")
	f.IntVar(&c.config.Rounds, "rounds", demoRounds, "how many rounds")
	f.IntVar(&c.config.Steps, "steps", demoSteps, "training steps of each site in a round")
	f.BoolVar(&c.config.Full, "full", false, "train all weights instead of a LoRA adapter")
	f.StringVar(&c.keep, "keep", "", "make the sites' directories here and keep them")
	f.StringVarP(&c.config.Output, "output", "o", "", "where to write the federated model (default weft-demo.safetensors, with --keep in that directory)")
	e.jsonFlag(cmd)
	return cmd
}

func (c *demoRun) run(ctx context.Context, e *env, _ []string) (err error) {
	config := c.config
	if err := config.Validate(); err != nil {
		return usage("%v", err)
	}
	if config.Exe, err = os.Executable(); err != nil {
		return err
	}
	if c.keep != "" {
		if err := os.MkdirAll(c.keep, 0o700); err != nil {
			return err
		}
		config.Dir = c.keep
	} else {
		if config.Dir, err = os.MkdirTemp("", "weft-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(config.Dir)) }()
	}
	if config.Output == "" {
		config.Output = filepath.Join(c.keep, "weft-demo.safetensors")
	}
	d, err := demo.New(config, e.err)
	if err != nil {
		return err
	}
	r, err := d.Run(ctx)
	if err != nil {
		return err
	}
	if e.json {
		return e.printJSON(r)
	}
	e.out.Printf("%s", r.Text(e.out))
	return nil
}
