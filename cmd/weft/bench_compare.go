//go:build !node

package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/bench"
	"github.com/weft-mesh/weft/yamlfile"
)

// comparison is what the commands that measure several ways have in common.
type comparison struct {
	size  string
	turns int
	dir   string
}

func (c *comparison) flags(e *env, cmd *cobra.Command, size, of string) {
	f := cmd.Flags()
	f.StringVar(&c.size, "size", size, of)
	f.IntVar(&c.turns, "turns", 7, "how often each way is measured")
	e.jsonFlag(cmd)
}

// onDisk is flags of a command that writes.
func (c *comparison) onDisk(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.dir, "dir", "", "folder on the disk to measure; by default that of temporary files")
}

// measure runs a measurement with a folder of its own, and prints what comes of it.
func (c *comparison) measure(ctx context.Context, e *env, run func(ctx context.Context, bytes uint64, dir string, progress func(int)) (*bench.Comparison, error)) (err error) {
	size, err := yamlfile.ParseSize(c.size)
	if err != nil {
		return usage("--size: %v", err)
	}
	if c.turns < 1 || c.turns > bench.MaxTurns {
		return usage("--turns %d: want 1 to %d", c.turns, bench.MaxTurns)
	}
	dir, err := os.MkdirTemp(c.dir, "weft-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r, err := run(ctx, uint64(size), dir, func(done int) { e.err.Printf("turn %d of %d\n", done, c.turns) })
	switch {
	case err != nil:
		return err
	case e.json:
		return e.printJSON(r)
	}
	e.out.Printf("%s", r.Text(e.out))
	return nil
}

func newBenchExchange(e *env) *cobra.Command {
	c, text := &comparison{}, ""
	cmd := &cobra.Command{
		Use:   "exchange",
		Short: "Measure the exchange of blocks beside plain connections",
		Long: `Move a model from one site's store to another's, and beside that the same bytes over one
TCP connection, over TLS 1.3, over a plain stream of libp2p's between the same hosts, and
from memory to nowhere. All ways are taken in turn, so that what else the machine does
slows all of them. Both ends are in this process; CPU is that of both.

--link has all of them pass through an emulated link in this process: the round trip, bits
a second in each direction, packets lost. A lost packet delays its connection by a round
trip, and nothing else: there is no congestion control in it.`,
		Example: `  weft bench exchange
  weft bench exchange --size 1GiB --turns 5 --json
  weft bench exchange --link 100ms,200Mbit,0.5% --size 32MB --turns 3`,
		Args: cobra.NoArgs,
		RunE: e.runs(func(ctx context.Context, e *env, _ []string) error {
			var link *bench.Link
			if text != "" {
				l, err := bench.ParseLink(text)
				if err != nil {
					return usage("--link: %v", err)
				}
				link = &l
			}
			return c.measure(ctx, e, func(ctx context.Context, bytes uint64, dir string, progress func(int)) (*bench.Comparison, error) {
				return bench.Exchange{Dir: dir, Bytes: bytes, Turns: c.turns, Link: link}.Run(ctx, progress)
			})
		}),
	}
	c.flags(e, cmd, "256MB", "size of the model")
	c.onDisk(cmd)
	cmd.Flags().StringVar(&text, "link", "", "emulate a link, such as 100ms,200Mbit,0.5%")
	return cmd
}

func newBenchStore(e *env) *cobra.Command {
	c := &comparison{}
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Measure the block store beside hashing and a plain file",
		Long: `Have a store take over a model's file, durable before and just written, and write a model
as its blocks are fetched; beside that hash the file, and append its bytes to one file
that is made durable at the end. All ways are taken in turn.`,
		Example: `  weft bench store
  weft bench store --dir /srv/weft --size 1GiB --json`,
		Args: cobra.NoArgs,
		RunE: e.runs(func(ctx context.Context, e *env, _ []string) error {
			return c.measure(ctx, e, func(ctx context.Context, bytes uint64, dir string, progress func(int)) (*bench.Comparison, error) {
				return bench.Store{Dir: dir, Bytes: bytes, Turns: c.turns}.Run(ctx, progress)
			})
		}),
	}
	c.flags(e, cmd, "256MB", "size of the model")
	c.onDisk(cmd)
	return cmd
}

func newBenchReduce(e *env) *cobra.Command {
	c, inputs := &comparison{}, 0
	cmd := &cobra.Command{
		Use:   "reduce",
		Short: "Measure the mean of updates beside a copy loop",
		Long: `Average updates in memory, of F32, BF16 and F16, on one processor; beside that copy the
same bytes. All ways are taken in turn. MB/s are those of the updates that are read.`,
		Example: `  weft bench reduce
  weft bench reduce --inputs 16 --size 32MB --json`,
		Args: cobra.NoArgs,
		RunE: e.runs(func(ctx context.Context, e *env, _ []string) error {
			return c.measure(ctx, e, func(ctx context.Context, bytes uint64, _ string, progress func(int)) (*bench.Comparison, error) {
				return bench.Reduce{Inputs: inputs, Bytes: bytes, Turns: c.turns}.Run(ctx, progress)
			})
		}),
	}
	c.flags(e, cmd, "64MiB", "size of an update")
	cmd.Flags().IntVar(&inputs, "inputs", 8, "how many updates")
	return cmd
}
