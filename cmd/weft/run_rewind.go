package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
)

// runRewind is `weft run rewind`.
type runRewind struct{ reason string }

func newRunRewind(e *env) *cobra.Command {
	c := &runRewind{}
	cmd := &cobra.Command{
		Use:   "rewind RUN ROUND",
		Short: "End a run, and go on from the model of an earlier round",
		Long: `End a run, as weft run stop does, and ask for one that goes on from the model of an
earlier round: with the same name and terms, for the rounds that remain. Each site
takes part as it does in any run. History and numbers of rounds go on where the
earlier run had that model; an outer step goes on with its state of that round. A
round can be gone back to as long as its model is held here: the last three, and the
newest three whose number is a multiple of ten.`,
		Example: `  weft run rewind letters 7
  weft run rewind letters 20 --reason "round 21 made the loss NaN"`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: e.completeRuns(runAny),
		RunE:              e.runs(c.run),
	}
	cmd.Flags().StringVar(&c.reason, "reason", "", "why, for the ledger")
	return cmd
}

func (c *runRewind) run(ctx context.Context, e *env, args []string) error {
	number, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return usage("%q is no round: want a number, such as 7; 0 is what the run began with", args[1])
	}
	ref, err := pickRun(ctx, e.client(), args[:1], runAny)
	if err != nil {
		return err
	}
	s, err := e.client().Full(ctx)
	if err != nil {
		return err
	}
	r := findRun(s, ref.id.String())
	if r == nil {
		return fail(nil, "`weft run list` shows the runs", "run %s", ref.name)
	}
	req, err := c.request(s, r, number)
	if err != nil {
		return err
	}
	reply, err := e.client().Start(ctx, req)
	if err != nil {
		return err
	}
	if !over(r.Phase) {
		if err := e.client().Stop(ctx, r.ID, api.Stop{Reason: c.why(number)}); err != nil {
			return err
		}
		e.out.Printf("asked the mesh to end run %s (%s)\n", r.Name, r.ID.Short())
	}
	return awaitOpen(ctx, e, reply.Run, r.Name, false)
}

// why is the reason that the ledger has.
func (c *runRewind) why(number uint64) string {
	text := fmt.Sprintf("rewound to round %d", number)
	if c.reason != "" {
		text += ": " + c.reason
	}
	return text
}

// request asks for the run that goes on from the model of a round.
func (c *runRewind) request(s *api.Status, r *api.RunStatus, number uint64) (req api.RunRequest, err error) {
	model, err := modelOf(r, strconv.FormatUint(number, 10), number)
	switch {
	case err != nil:
		return req, err
	case number >= r.Rounds:
		return req, usage("round %d is the last of run %s: from its model nothing remains to be trained", number, r.Name)
	case len(c.why(number)) > ledger.MaxReason:
		return req, usage("--reason: %d bytes, at most %d", len(c.why(number)), ledger.MaxReason)
	}
	from, own := api.Yielded(s.Runs, r, number)
	beside, err := r.Spec.Constants.Read()
	if err != nil {
		return req, err
	}
	spec := *r.Spec
	spec.By, spec.Nonce, spec.Rounds = "", nil, r.Rounds-number
	spec.Constants = ledger.NewConstants(ledger.Beside{Local: beside.Local})
	spec.Continues = ledger.NewContinues(ledger.Earlier{Run: from.ID, Round: own})
	if m, err := spec.Strategy.Read(); err == nil {
		m.State = block.CID{}
		spec.Strategy = ledger.NewStrategy(m)
	}
	spec.Base, spec.Layout = block.CID{}, block.CID{} // the node fills them in, as it does with the opener and the nonce
	return api.RunRequest{Spec: spec, From: &api.ModelOf{Run: from.ID, Model: model}}, nil
}
