package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/node"
)

// rosterWithdraw is `weft roster withdraw`.
type rosterWithdraw struct{}

func newRosterWithdraw(e *env) *cobra.Command {
	c := &rosterWithdraw{}
	cmd := &cobra.Command{
		Use:   "withdraw CHANGE",
		Short: "Take this site's approval of a change back",
		Long: `Take this site's approval of a change back, while it is not decided: a key was mistyped, or
the operators think better of it. A site that comes is let in by this one no longer,
unless a quorum approves all the same. weft roster approve gives the approval again, or,
if nobody approves any more, the command that asked for the change.`,
		Example:           `  weft roster withdraw 7k2m4q6a`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: e.completeChanges,
		RunE:              e.runs(c.run),
	}
	e.jsonFlag(cmd)
	return cmd
}

func (c *rosterWithdraw) run(ctx context.Context, e *env, args []string) error {
	change, err := e.client().ChangeRoster(ctx, node.ChangeRequest{Withdraw: args[0]})
	switch {
	case err != nil:
		return err
	case e.json:
		return e.printJSON(change)
	case change.Own:
		e.out.Printf("too late, it is decided: %s\n", change.Text)
		return nil
	case len(change.Approvals) == 0:
		e.out.Printf("nobody approves any more, so it is no longer asked for: %s\nask for it again as at first, such as with weft roster add\n", change.Text)
		return nil
	}
	e.out.Printf("this site approves no longer:\n%s", changeText(e.out, &change))
	return nil
}
