//go:build !node

package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/bench"
	"github.com/weft-mesh/weft/yamlfile"
)

// benchRound is `weft bench round`.
type benchRound struct {
	config bench.Config
	size   string
}

func newBenchRound(e *env) *cobra.Command {
	c := &benchRound{}
	cmd := &cobra.Command{
		Use:   "round",
		Short: "Measure a round's time by phase, and each node's peak memory",
		Long: `Run a mesh on this machine, each node a process, with a trainer that trains nothing
but yields updates of a given size; print the time of each round split into phases,
and each node's peak memory and traffic. All nodes share this machine's cores and disk.
At the end a round is compared with the time that its updates would take at the rate of
weft bench exchange, which is measured after the rounds.`,
		Example: `  weft bench round
  weft bench round --sites 8 --size 50MB --rounds 5 --json`,
		Args: cobra.NoArgs,
		RunE: e.runs(c.run),
	}
	f := cmd.Flags()
	f.IntVar(&c.config.Sites, "sites", 4, "how many nodes")
	f.StringVar(&c.size, "size", "50MB", "size of an update")
	f.IntVar(&c.config.Rounds, "rounds", 3, "how many rounds")
	f.DurationVar(&c.config.Train, "train", 100*time.Millisecond, "how long a training pretends to take")
	e.jsonFlag(cmd)
	return cmd
}

func (c *benchRound) run(ctx context.Context, e *env, _ []string) (err error) {
	config := c.config
	size, err := yamlfile.ParseSize(c.size)
	if err != nil {
		return usage("--size: %v", err)
	}
	config.Bytes = uint64(size)
	if err := config.Validate(); err != nil {
		return usage("%v", err)
	}
	if config.Exe, err = os.Executable(); err != nil {
		return err
	}
	if config.Dir, err = os.MkdirTemp("", "weft-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(config.Dir)) }()
	shown := 0
	r, err := bench.Run(ctx, config, func(done int) {
		if done > shown {
			shown = done
			e.err.Printf("round %d of %d\n", done, config.Rounds)
		}
	})
	switch {
	case err != nil:
		return err
	case e.json:
		return e.printJSON(r)
	}
	e.out.Printf("%s", r.Text(e.out))
	return nil
}
