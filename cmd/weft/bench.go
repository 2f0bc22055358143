package main

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/bench"
)

func (a *app) benchCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure weft on this machine",
		RunE:  group,
	}
	cmd.AddCommand(a.benchRoundCmd())
	return cmd
}

func (a *app) benchRoundCmd() *cobra.Command {
	c := bench.Config{}
	var size string
	cmd := &cobra.Command{
		Use:   "round",
		Short: "Measure a round's time by phase, and each node's peak memory",
		Long: `Run a mesh on this machine, each node a process, with a trainer that trains nothing
but yields updates of a given size; print the time of each round split into phases,
and each node's peak memory and traffic. All nodes share this machine's cores and disk.`,
		Example: `  weft bench round
  weft bench round --sites 8 --size 50MB --rounds 5 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if c.Bytes, err = parseSize(size); err != nil {
				return usage("--size: %v", err)
			}
			if err := c.Validate(); err != nil {
				return usage("%v", err)
			}
			return a.benchRound(cmd.Context(), c)
		},
	}
	f := cmd.Flags()
	f.IntVar(&c.Sites, "sites", 4, "how many nodes")
	f.StringVar(&size, "size", "50MB", "size of an update")
	f.IntVar(&c.Rounds, "rounds", 3, "how many rounds")
	f.DurationVar(&c.Train, "train", 100*time.Millisecond, "how long a training pretends to take")
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) benchRound(ctx context.Context, c bench.Config) (err error) {
	if c.Exe, err = os.Executable(); err != nil {
		return err
	}
	if c.Dir, err = os.MkdirTemp("", "weft-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(c.Dir)) }()
	shown := 0
	r, err := bench.Run(ctx, c, func(done int) {
		if done > shown {
			shown = done
			a.err.Printf("round %d of %d\n", done, c.Rounds)
		}
	})
	switch {
	case err != nil:
		return err
	case a.json:
		return a.printJSON(r)
	}
	a.out.Printf("%s", r.Text(a.out))
	return nil
}

// parseSize reads a number of bytes, such as 50MB or 64MiB.
func parseSize(s string) (uint64, error) {
	number := strings.TrimRight(s, "kKMGTiB")
	scale, ok := map[string]float64{
		"": 1, "B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
		"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	}[s[len(number):]]
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !ok || err != nil || !(v >= 0 && v*scale <= 1<<50) {
		return 0, errors.New(strconv.Quote(s) + " is no size; want a number and a unit, such as 50MB")
	}
	return uint64(v * scale), nil
}
