package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/node/api"
)

// runStop is `weft run stop`.
type runStop struct{ reason string }

func newRunStop(e *env) *cobra.Command {
	c := &runStop{}
	cmd := &cobra.Command{
		Use:   "stop [RUN]",
		Short: "Ask the mesh to end a run, or no longer ask for one",
		Long: `Ask the mesh to end a run. The run's opener ends it alone; any other site needs
f more sites to ask for it. What was committed stays. A run that this site asks for
and that is not open is no longer asked for. ` + runArgument,
		Example: `  weft run stop
  weft run stop letters --reason "loss has settled"`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: e.completeRuns(runStoppable),
		RunE:              e.runs(c.run),
	}
	cmd.Flags().StringVar(&c.reason, "reason", "", "why, for the ledger")
	return cmd
}

func (c *runStop) run(ctx context.Context, e *env, args []string) error {
	r, err := pickRun(ctx, e.client(), args, runStoppable)
	if err != nil {
		return err
	}
	s, err := e.client().Status(ctx)
	if err != nil {
		return err
	}
	if err := e.client().Stop(ctx, r.id, api.Stop{Reason: c.reason}); err != nil {
		return err
	}
	if findAsked(s, r.id) != nil {
		e.out.Printf("run %s (%s) is no longer asked for\n", r.name, r.id.Short())
		return nil
	}
	e.out.Printf("asked the mesh to end run %s (%s)\n", r.name, r.id.Short())
	return nil
}
