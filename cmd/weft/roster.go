package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
)

// rosterEvery is the time between two looks at the roster while a change is awaited.
const rosterEvery = 200 * time.Millisecond

func (a *app) rosterCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "roster",
		Short: "Show the mesh's sites; add, remove and replace them",
		Long: `Show the mesh's sites; add, remove and replace them.

A change of the roster is decided like everything else: once the operators of a quorum of
sites have approved it, and, if a site comes, once that site has signed too. Its node does
so by itself when it is up and has followed the ledger. docs/roster.md goes through it.`,
		RunE: group,
	}
	cmd.AddCommand(a.rosterListCmd(), a.rosterAddCmd(), a.rosterRemoveCmd(), a.rosterReplaceCmd(), a.rosterApproveCmd(), a.rosterWithdrawCmd())
	return cmd
}

func (a *app) rosterListCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the sites in force, and the changes that are asked for",
		Example: `  weft roster list
  weft roster list --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.reader(cmd.Context())
			if err != nil {
				return err
			}
			r, err := c.Roster(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(r)
			}
			_, live := c.(*api.Client)
			a.out.Printf("%s", a.rosterText(&r, live))
			return nil
		},
	}
	a.jsonFlag(cmd)
	return cmd
}

// rosterText draws a roster and what is asked for; who is up only a node knows.
func (a *app) rosterText(r *api.Roster, live bool) string {
	t := term.NewTable(term.Column{Name: "site", Shrink: true}, term.Column{Name: "peer ID"}, term.Column{Name: "state"})
	for _, s := range r.Sites {
		state := a.out.Bad("away")
		switch {
		case !live:
			state = "in force"
		case s.Up:
			state = a.out.Good("up")
		}
		t.Row(s.Name, s.ID.String(), state)
	}
	for _, s := range r.Former {
		t.Row(s.Name, s.ID.String(), "former")
	}
	text := fmt.Sprintf("%s, a quorum is %s; changed %s\n\n", term.Plural(len(r.Sites), "site"), term.Plural(r.Quorum, "site"), term.Plural(r.Version, "time")) + t.Text(a.out.Columns(), a.out.Dim)
	for i := range r.Changes {
		text += "\n" + a.changeText(&r.Changes[i])
	}
	for _, warning := range rivals(r.Changes) {
		text += "\n" + a.out.Bad(strings.Join(term.Wrap(warning, a.out.Columns()), "\n")) + "\n"
	}
	return text
}

// changeText says what a change does, with the whole keys, as an operator must compare them; who approves, and
// what is missing.
func (a *app) changeText(c *api.RosterChange) string {
	text := fmt.Sprintf("%s  %s\n", a.out.Bold(c.ID.Short()), c.Text)
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

func (a *app) rosterAddCmd() *cobra.Command {
	return a.changeCmd(&cobra.Command{
		Use:   "add NAME=PEERID",
		Short: "Ask for a new site, or approve of one that others ask for",
		Long: `Ask for a new site, or approve of one that others ask for. The new site prints NAME=PEERID
with weft init or weft id; compare it by phone. Give it the mesh's file and the address of a
site that approves: weft mesh join mesh.weft, then weft up --bootstrap ADDR.`,
		Example: `  weft roster add hospital-west=12D3KooW...
  weft roster add hospital-west=12D3KooW... --wait`,
		Args: cobra.ExactArgs(1),
	}, func(args []string) (api.ChangeRequest, error) {
		s, err := parseSite(args[0])
		return api.ChangeRequest{Add: &api.RosterSite{Name: s.Name, ID: s.ID}}, err
	})
}

func (a *app) rosterRemoveCmd() *cobra.Command {
	return a.changeCmd(&cobra.Command{
		Use:   "remove NAME",
		Short: "Ask that a site goes, or approve that it does",
		Long: `Ask that a site goes, or approve that it does. What it has contributed stays; its key never
comes back. It need not agree.`,
		Example:           `  weft roster remove hospital-west`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeSites,
	}, func(args []string) (api.ChangeRequest, error) { return api.ChangeRequest{Remove: args[0]}, nil })
}

func (a *app) rosterReplaceCmd() *cobra.Command {
	return a.changeCmd(&cobra.Command{
		Use:   "replace NAME=PEERID",
		Short: "Ask for another key for a site, or approve of it",
		Long: `Ask for another key for a site, or approve of it: the key was lost or stolen, or the disk
with the site's log is gone. The site makes the new key with weft init in a new directory.`,
		Example: `  weft roster replace hospital-west=12D3KooW...`,
		Args:    cobra.ExactArgs(1),
	}, func(args []string) (api.ChangeRequest, error) {
		s, err := parseSite(args[0])
		return api.ChangeRequest{Remove: s.Name, Add: &api.RosterSite{Name: s.Name, ID: s.ID}}, err
	})
}

func (a *app) rosterApproveCmd() *cobra.Command {
	return a.changeCmd(&cobra.Command{
		Use:   "approve CHANGE",
		Short: "Approve of a change that another site asks for",
		Long: `Approve of a change that another site asks for; weft roster list shows them. Make sure by
other means, by phone for instance, that the change is what the other operators mean.`,
		Example:           `  weft roster approve 7k2m4q6a`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeChanges,
	}, func(args []string) (api.ChangeRequest, error) { return api.ChangeRequest{Approve: args[0]}, nil })
}

func (a *app) rosterWithdrawCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "withdraw CHANGE",
		Short: "Take this site's approval of a change back",
		Long: `Take this site's approval of a change back, while it is not decided: a key was mistyped, or
the operators think better of it. A site that comes is let in by this one no longer,
unless a quorum approves all the same. weft roster approve gives the approval again, or,
if nobody approves any more, the command that asked for the change.`,
		Example:           `  weft roster withdraw 7k2m4q6a`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeChanges,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client().ChangeRoster(cmd.Context(), api.ChangeRequest{Withdraw: args[0]})
			switch {
			case err != nil:
				return err
			case a.json:
				return a.printJSON(c)
			case c.Own:
				a.out.Printf("too late, it is decided: %s\n", c.Text)
				return nil
			case len(c.Approvals) == 0:
				a.out.Printf("nobody approves any more, so it is no longer asked for: %s\nask for it again as at first, such as with weft roster add\n", c.Text)
				return nil
			}
			a.out.Printf("this site approves no longer:\n%s", a.changeText(&c))
			return nil
		},
	}
	a.jsonFlag(cmd)
	return cmd
}

// changeCmd completes a command that says yes to a change.
func (a *app) changeCmd(cmd *cobra.Command, request func(args []string) (api.ChangeRequest, error)) *cobra.Command {
	wait := false
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		req, err := request(args)
		if err != nil {
			return err
		}
		before, err := a.client().Status(cmd.Context())
		if err != nil {
			return err
		}
		c, err := a.client().ChangeRoster(cmd.Context(), req)
		if err != nil {
			return err
		}
		if !a.json {
			a.out.Printf("this site approves:\n%s", a.changeText(&c))
			a.warnRivals(cmd.Context(), &c)
		}
		if wait {
			if err := a.awaitChange(cmd.Context(), &c, before.Height+1); err != nil {
				return err
			}
		}
		if a.json {
			return a.printJSON(c)
		}
		return nil
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the change is decided")
	a.jsonFlag(cmd)
	return cmd
}

// warnRivals tells whoever approves of a site that comes of what is asked for beside it.
func (a *app) warnRivals(ctx context.Context, c *api.RosterChange) {
	r, err := a.client().Roster(ctx)
	if err != nil || c.Change.Add == nil {
		return
	}
	for _, warning := range rivals(r.Changes) {
		a.err.Printf("weft: %s\n", warning)
	}
}

// awaitChange returns once the ledger has the change, and says how it stands whenever that changes.
func (a *app) awaitChange(ctx context.Context, c *api.RosterChange, from uint64) error {
	said := ""
	for {
		r, err := a.client().Roster(ctx)
		if err != nil {
			return err
		}
		if r.Version > c.Change.Version {
			return a.decided(ctx, c, from)
		}
		for i := range r.Changes {
			if now := a.changeText(&r.Changes[i]); r.Changes[i].ID == c.ID && now != said {
				if said != "" && !a.json {
					a.out.Printf("%s", now)
				}
				said = now
			}
		}
		if err := sleep(ctx, rosterEvery); err != nil {
			return err
		}
	}
}

// decided looks in the ledger, from a height on, which change it was that was decided for that roster.
func (a *app) decided(ctx context.Context, c *api.RosterChange, from uint64) error {
	for {
		page, err := a.client().Ledger(ctx, from, ledgerPage)
		if err != nil {
			return err
		}
		for _, e := range page {
			from = e.Height + 1
			decided := ledger.As[ledger.Changed](e.Entry)
			if decided == nil || decided.Change.Version != c.Change.Version {
				continue
			}
			if decided.Change.ID() != c.ID {
				return fail(nil, "weft roster list shows the roster in force; ask for the change again", "another change was decided before this one: %s", e.Summary)
			}
			c.Missing, c.Joined = 0, true
			if !a.json {
				a.out.Printf("decided at height %d: %s\n", e.Height, e.Summary)
			}
			return nil
		}
		if len(page) == 0 {
			return fail(nil, "", "the ledger does not show what was decided")
		}
	}
}
