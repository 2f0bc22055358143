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

func (a *app) demoCmd() *cobra.Command {
	var c demo.Config
	var keep string
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
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.Validate(); err != nil {
				return usage("%v", err)
			}
			return a.runDemo(cmd.Context(), c, keep)
		},
	}
	f := cmd.Flags()
	f.IntVar(&c.Sites, "sites", demoSites, "how many sites")
	f.IntVar(&c.Rounds, "rounds", demoRounds, "how many rounds")
	f.IntVar(&c.Steps, "steps", demoSteps, "training steps of each site in a round")
	f.BoolVar(&c.Full, "full", false, "train all weights instead of a LoRA adapter")
	f.StringVar(&keep, "keep", "", "make the sites' directories here and keep them")
	f.StringVarP(&c.Output, "output", "o", "", "where to write the federated model (default weft-demo.safetensors, with --keep in that directory)")
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) runDemo(ctx context.Context, c demo.Config, keep string) (err error) {
	if c.Exe, err = os.Executable(); err != nil {
		return err
	}
	if keep != "" {
		if err := os.MkdirAll(keep, 0o700); err != nil {
			return err
		}
		c.Dir = keep
	} else {
		if c.Dir, err = os.MkdirTemp("", "weft-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(c.Dir)) }()
	}
	if c.Output == "" {
		c.Output = filepath.Join(keep, "weft-demo.safetensors")
	}
	d, err := demo.New(c, a.err)
	if err != nil {
		return err
	}
	r, err := d.Run(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(r)
	}
	a.out.Printf("%s", r.Text(a.out))
	return nil
}
