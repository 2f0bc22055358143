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

// runList is `weft run list`.
type runList struct{}

func newRunList(e *env) *cobra.Command {
	c := &runList{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the mesh's runs, what is asked for and what waits for an answer",
		Example: `  weft run list
  weft run list --json`,
		Args: cobra.NoArgs,
		RunE: e.runs(c.run),
	}
	e.jsonFlag(cmd)
	return cmd
}

func (c *runList) run(ctx context.Context, e *env, _ []string) error {
	from, err := e.reader(ctx)
	if err != nil {
		return err
	}
	s, err := from.Status(ctx)
	if err != nil {
		return err
	}
	if e.json {
		return e.printJSON(map[string]any{"runs": s.Runs, "pending": s.Pending, "not_open": s.NotOpen})
	}
	e.out.Printf("%s", runListText(e.out, s))
	return nil
}

// runListText is a table of all runs, those that wait for an answer last.
func runListText(out *term.Out, s *api.Status) string {
	t := term.NewTable(term.Column{Name: "run"}, term.Column{Name: "name", Shrink: true}, term.Column{Name: "round", Right: true},
		term.Column{Name: "phase"}, term.Column{Name: "sites", Shrink: true})
	why := ""
	for _, r := range s.Runs {
		at := r.Round
		if over(r.Phase) {
			at = r.Done
		}
		t.Row(r.ID.Short(), r.Name, fmt.Sprintf("%d/%d", at, r.Rounds), phase(out, r.Phase), strings.Join(r.Takes, " "))
		if r.Unknown != "" {
			why += fmt.Sprintf("%s: this weft takes no part: %s\n", r.Name, r.Unknown)
		}
	}
	for _, a := range s.NotOpen {
		t.Row(a.Run.Short(), a.Spec.Name, "0/"+strconv.FormatUint(a.Spec.Rounds, 10), out.Busy("asked"), strings.Join(a.Consents, " "))
	}
	for _, p := range s.Pending {
		if findRun(s, p.Run.String()) == nil && findAsked(s, p.Run) == nil {
			t.Row(p.Run.Short(), p.Spec.Name, "0/"+strconv.FormatUint(p.Spec.Rounds, 10), out.Bad("asks"), "")
		}
	}
	if t.Len() == 0 {
		return "no runs; open one with `weft run start FILE`\n"
	}
	return t.Text(out.Columns(), out.Dim) + why + askedText(out, s) + asksRunsText(out, s)
}
