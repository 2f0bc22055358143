package main

import (
	"context"

	"github.com/spf13/cobra"
)

// runWatch is `weft run watch`.
type runWatch struct{}

func newRunWatch(e *env) *cobra.Command {
	c := &runWatch{}
	return &cobra.Command{
		Use:   "watch [RUN]",
		Short: "Show a run until it is over",
		Long:  "Show a run until it is over. " + runArgument + "\nIf none goes on, the last is shown.",
		Example: `  weft run watch
  weft run watch letters`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: e.completeRuns(runAny),
		RunE:              e.runs(c.run),
	}
}

func (c *runWatch) run(ctx context.Context, e *env, args []string) error {
	r, err := pickWatched(ctx, e.client(), args)
	if err != nil {
		return err
	}
	return watchStatus(ctx, e, r.id.String())
}
