package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/node"
)

// runConsent is `weft run accept` and `weft run decline`.
type runConsent struct {
	accept bool
	done   string // what the site does then
}

func newRunAccept(e *env) *cobra.Command {
	c := &runConsent{accept: true, done: "takes part in"}
	return c.command(e, "accept", "Let this site take part in a run")
}

func newRunDecline(e *env) *cobra.Command {
	c := &runConsent{done: "declines"}
	return c.command(e, "decline", "Keep this site out of a run")
}

func (c *runConsent) command(e *env, verb, short string) *cobra.Command {
	return &cobra.Command{
		Use:     verb + " [RUN]",
		Short:   short,
		Long:    short + ". " + runArgument,
		Example: "  weft run " + verb + "\n  weft run " + verb + " letters",
		Args:    cobra.MaximumNArgs(1),

		ValidArgsFunction: e.completeRuns(runAnswerable),
		RunE:              e.runs(c.run),
	}
}

func (c *runConsent) run(ctx context.Context, e *env, args []string) error {
	r, err := awaitRun(ctx, e.client(), args)
	if err != nil {
		return err
	}
	if err := e.client().Consent(ctx, r.id, node.Consent{Accept: c.accept}); err != nil {
		return err
	}
	e.out.Printf("this site %s run %s (%s)\n", c.done, r.name, r.id.Short())
	return nil
}
