package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node"
	"github.com/weft-mesh/weft/node/runfile"
)

// openWait is how long `weft run start` waits for the mesh to open the run. A quorum that can
// be reached needs a second or two.
const openWait = 30 * time.Second

func (a *app) runStartCmd() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:   "start FILE",
		Short: "Open a run as a YAML file describes it",
		Long: `Open a run as a YAML file describes it: name, rounds, the model to start from and
hyperparameters (docs/cli.md has every field). A quorum of sites opens it; each site
then takes part if its own configuration or operator says so.`,
		Example: `  weft run start run.yaml
  weft run start run.yaml --watch`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			req, err := readRun(args[0])
			if err != nil {
				return err
			}
			c := a.client()
			reply, err := c.Start(cmd.Context(), req)
			if err != nil {
				return err
			}
			if err := a.awaitOpen(cmd.Context(), c, reply.Run, req.Spec.Name); err != nil || !watch {
				return err
			}
			return a.watchStatus(cmd.Context(), reply.Run.String())
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "then show the run until it is over")
	return cmd
}

// readRun reads a run file.
func readRun(path string) (node.RunRequest, error) {
	f, err := os.Open(path)
	if err != nil {
		return node.RunRequest{}, usage("%v", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, runfile.MaxSize+1))
	if err != nil {
		return node.RunRequest{}, usage("%v", err)
	}
	r, err := runfile.Parse(path, data)
	if err != nil {
		return node.RunRequest{}, &failure{kind: errUsage, text: err.Error(), hint: "docs/cli.md describes run files"}
	}
	req := node.RunRequest{Spec: r.Spec, Init: r.Init}
	if r.File != "" {
		// The node's working directory is another.
		if req.Model, err = filepath.Abs(r.File); err != nil {
			return node.RunRequest{}, err
		}
		if _, err := os.Stat(req.Model); err != nil {
			return node.RunRequest{}, &failure{kind: errUsage, text: path + ": model.file", err: err, hint: "the path is relative to the run file"}
		}
	}
	return req, nil
}

// awaitOpen waits until the ledger has the run.
func (a *app) awaitOpen(ctx context.Context, c *node.Client, id block.CID, name string) error {
	for end := time.Now().Add(openWait); ; {
		s, err := c.Status(ctx)
		if err != nil {
			return err
		}
		if r := findRun(s, id.String()); r != nil {
			a.out.Printf("run %s (%s) is open: %s, mesh of %s\n", name, id.Short(), term.Plural(r.Rounds, "round"), term.Plural(s.Sites, "site"))
			return nil
		}
		if time.Now().After(end) {
			a.out.Printf("run %s (%s) is asked for and opens when a quorum agrees: %d of %d sites up, a quorum is %d\n", name, id.Short(), s.Up, s.Sites, s.Quorum)
			return nil
		}
		if err := sleep(ctx, watchEvery/2); err != nil {
			return err
		}
	}
}
