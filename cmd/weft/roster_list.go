package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node"
)

// rosterList is `weft roster list`.
type rosterList struct{}

func newRosterList(e *env) *cobra.Command {
	c := &rosterList{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the sites in force, and the changes that are asked for",
		Example: `  weft roster list
  weft roster list --json`,
		Args: cobra.NoArgs,
		RunE: e.runs(c.run),
	}
	e.jsonFlag(cmd)
	return cmd
}

func (c *rosterList) run(ctx context.Context, e *env, _ []string) error {
	from, err := e.reader(ctx)
	if err != nil {
		return err
	}
	r, err := from.Roster(ctx)
	if err != nil {
		return err
	}
	if e.json {
		return e.printJSON(r)
	}
	_, live := from.(*node.Client)
	e.out.Printf("%s", rosterText(e.out, &r, live))
	return nil
}

// rosterText draws a roster and what is asked for; who is up only a node knows.
func rosterText(out *term.Out, r *node.Roster, live bool) string {
	t := term.NewTable(term.Column{Name: "site", Shrink: true}, term.Column{Name: "peer ID"}, term.Column{Name: "state"})
	for _, s := range r.Sites {
		state := out.Bad("away")
		switch {
		case !live:
			state = "in force"
		case s.Up:
			state = out.Good("up")
		}
		t.Row(s.Name, s.ID.String(), state)
	}
	for _, s := range r.Former {
		t.Row(s.Name, s.ID.String(), "former")
	}
	text := fmt.Sprintf("%s, a quorum is %s; changed %s\n\n", term.Plural(len(r.Sites), "site"), term.Plural(r.Quorum, "site"), term.Plural(r.Version, "time")) + t.Text(out.Columns(), out.Dim)
	for i := range r.Changes {
		text += "\n" + changeText(out, &r.Changes[i])
	}
	for _, warning := range rivals(r.Changes) {
		text += "\n" + out.Bad(strings.Join(term.Wrap(warning, out.Columns()), "\n")) + "\n"
	}
	return text
}

// changeText says what a change does, with the whole keys, as an operator must compare them; who approves, and
// what is missing.
func changeText(out *term.Out, c *node.RosterChange) string {
	text := fmt.Sprintf("%s  %s\n", out.Bold(c.ID.Short()), c.Text)
	if s := c.Change.Remove; s != nil {
		text += fmt.Sprintf("  goes   %s=%s\n", s.Name, s.ID)
	}
	if s := c.Change.Add; s != nil {
		text += fmt.Sprintf("  comes  %s=%s\n", s.Name, s.ID)
	}
	text += "  " + term.Plural(len(c.Approvals), "approval")
	if len(c.Approvals) > 0 {
		text += " (" + strings.Join(c.Approvals, ", ") + ")"
	}
	if len(c.Withdrawn) > 0 {
		text += ", taken back by " + strings.Join(c.Withdrawn, ", ")
	}
	if c.Missing > 0 {
		text += fmt.Sprintf(", %d more needed: on other sites, weft roster approve %s", c.Missing, c.ID.Short())
	}
	if !c.Joined {
		text += "\n  the new key has not signed yet: its node does once it is up and reaches a site that approves"
	}
	return text + "\n"
}
