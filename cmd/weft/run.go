package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/api"
)

func (a *app) runCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Open, watch, list, answer and stop runs",
		RunE:  group,
	}
	cmd.AddCommand(a.runStartCmd(), a.runWatchCmd(), a.runHistoryCmd(), a.runListCmd(), a.runConsentCmd(true), a.runConsentCmd(false), a.runStopCmd())
	return cmd
}

func (a *app) runListCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the mesh's runs and those that wait for an answer",
		Example: `  weft run list
  weft run list --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.reader(cmd.Context())
			if err != nil {
				return err
			}
			s, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(map[string]any{"runs": s.Runs, "pending": s.Pending})
			}
			t := term.NewTable(term.Column{Name: "run"}, term.Column{Name: "name", Shrink: true}, term.Column{Name: "round", Right: true},
				term.Column{Name: "phase"}, term.Column{Name: "sites", Shrink: true})
			for _, r := range s.Runs {
				at := r.Round
				if over(r.Phase) {
					at = r.Done
				}
				t.Row(r.ID.Short(), r.Name, fmt.Sprintf("%d/%d", at, r.Rounds), a.phase(r.Phase), strings.Join(r.Takes, " "))
			}
			for _, p := range s.Pending {
				if findRun(s, p.Run.String()) == nil {
					t.Row(p.Run.Short(), p.Spec.Name, "0/"+strconv.FormatUint(p.Spec.Rounds, 10), a.out.Bad("asks"), "")
				}
			}
			if t.Len() == 0 {
				a.out.Println("no runs; open one with `weft run start FILE`")
				return nil
			}
			a.out.Printf("%s%s", t.Text(a.out.Columns(), a.out.Dim), a.asksRunsText(s))
			return nil
		},
	}
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) runConsentCmd(accept bool) *cobra.Command {
	verb, short, done := "decline", "Keep this site out of a run", "declines"
	if accept {
		verb, short, done = "accept", "Let this site take part in a run", "takes part in"
	}
	return &cobra.Command{
		Use:     verb + " [RUN]",
		Short:   short,
		Long:    short + ". " + runArgument,
		Example: "  weft run " + verb + "\n  weft run " + verb + " letters",
		Args:    cobra.MaximumNArgs(1),

		ValidArgsFunction: a.completeRuns(runAnswerable),
		RunE: func(cmd *cobra.Command, args []string) error {
			c := a.client()
			r, err := awaitRun(cmd.Context(), c, args)
			if err != nil {
				return err
			}
			if err := c.Consent(cmd.Context(), r.id, api.Consent{Accept: accept}); err != nil {
				return err
			}
			a.out.Printf("this site %s run %s (%s)\n", done, r.name, r.id.Short())
			return nil
		},
	}
}

func (a *app) runWatchCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "watch [RUN]",
		Short: "Show a run until it is over",
		Long:  "Show a run until it is over. " + runArgument + "\nIf none goes on, the last is shown.",
		Example: `  weft run watch
  weft run watch letters`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeRuns(runAny),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := pickShown(cmd.Context(), a.client(), args)
			if err != nil {
				return err
			}
			return a.watchStatus(cmd.Context(), r.id.String())
		},
	}
}

func (a *app) runStopCmd() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "stop [RUN]",
		Short: "Ask the mesh to end a run",
		Long: `Ask the mesh to end a run. The run's opener ends it alone; any other site needs
f more sites to ask for it. What was committed stays. ` + runArgument,
		Example: `  weft run stop
  weft run stop letters --reason "loss has settled"`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeRuns(runActive),
		RunE: func(cmd *cobra.Command, args []string) error {
			c := a.client()
			r, err := pickRun(cmd.Context(), c, args, runActive)
			if err != nil {
				return err
			}
			if err := c.Stop(cmd.Context(), r.id, api.Stop{Reason: reason}); err != nil {
				return err
			}
			a.out.Printf("asked the mesh to end run %s (%s)\n", r.name, r.id.Short())
			return nil
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the ledger")
	return cmd
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
)

// statusOf returns the status of the run that args name.
func statusOf(ctx context.Context, c reader, args []string) (*api.RunStatus, error) {
	r, err := pickRun(ctx, c, args, runAny)
	if err != nil {
		return nil, err
	}
	s, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	if found := findRun(s, r.id.String()); found != nil {
		return found, nil
	}
	return nil, fail(nil, "", "run %s is not in the ledger yet", r.name)
}
