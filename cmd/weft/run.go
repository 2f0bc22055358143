package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/node/api"
)

func newRun(e *env) *cobra.Command {
	return newGroup(&cobra.Command{Use: "run", Short: "Open, watch, list, answer and stop runs"},
		newRunStart(e), newRunWatch(e), newRunHistory(e), newRunList(e), newRunAccept(e), newRunDecline(e), newRunStop(e), newRunRewind(e))
}

// runArgument explains RUN in the help of commands that take it.
const runArgument = `RUN is a run's name, its CID or the CID's
end; without it the only run that can be meant.`

// runKind says which runs a command can be about.
type runKind int

const (
	runAny        runKind = iota
	runActive             // not over
	runAnswerable         // this site may say whether it takes part
	runStoppable          // not over, or asked for by this site
)

// statusOf returns the status of the run that args name.
func statusOf(ctx context.Context, c reader, args []string) (*api.RunStatus, error) {
	r, err := pickRun(ctx, c, args, runAny)
	if err != nil {
		return nil, err
	}
	s, err := c.Full(ctx)
	if err != nil {
		return nil, err
	}
	if found := findRun(s, r.id.String()); found != nil {
		return found, nil
	}
	return nil, fail(nil, "", "run %s is not in the ledger yet", r.name)
}
