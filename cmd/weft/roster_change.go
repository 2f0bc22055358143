package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node"
)

// rosterEvery is the time between two looks at the roster while a change is awaited.
const rosterEvery = 200 * time.Millisecond

// rosterChange is each of the commands that say yes to a change of the roster.
type rosterChange struct {
	request func(arg string) (node.ChangeRequest, error) // what the argument asks for
	wait    bool
}

func newRosterChange(e *env, cmd *cobra.Command, request func(arg string) (node.ChangeRequest, error)) *cobra.Command {
	c := &rosterChange{request: request}
	cmd.RunE = e.runs(c.run)
	cmd.Flags().BoolVar(&c.wait, "wait", false, "wait until the change is decided")
	e.jsonFlag(cmd)
	return cmd
}

func newRosterAdd(e *env) *cobra.Command {
	return newRosterChange(e, &cobra.Command{
		Use:   "add NAME=PEERID",
		Short: "Ask for a new site, or approve of one that others ask for",
		Long: `Ask for a new site, or approve of one that others ask for. The new site prints NAME=PEERID
with weft init or weft id; compare it by phone. Give it the mesh's file and the address of a
site that approves: weft mesh join mesh.weft, then weft up --bootstrap ADDR.`,
		Example: `  weft roster add hospital-west=12D3KooW...
  weft roster add hospital-west=12D3KooW... --wait`,
		Args: cobra.ExactArgs(1),
	}, func(arg string) (node.ChangeRequest, error) {
		s, err := parseSite(arg)
		return node.ChangeRequest{Add: &node.RosterSite{Name: s.Name, ID: s.ID}}, err
	})
}

func newRosterRemove(e *env) *cobra.Command {
	return newRosterChange(e, &cobra.Command{
		Use:   "remove NAME",
		Short: "Ask that a site goes, or approve that it does",
		Long: `Ask that a site goes, or approve that it does. What it has contributed stays; its key never
comes back. It need not agree.`,
		Example:           `  weft roster remove hospital-west`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: e.completeSites,
	}, func(arg string) (node.ChangeRequest, error) { return node.ChangeRequest{Remove: arg}, nil })
}

func newRosterReplace(e *env) *cobra.Command {
	return newRosterChange(e, &cobra.Command{
		Use:   "replace NAME=PEERID",
		Short: "Ask for another key for a site, or approve of it",
		Long: `Ask for another key for a site, or approve of it: the key was lost or stolen, or the disk
with the site's log is gone. The site makes the new key with weft init in a new directory.`,
		Example: `  weft roster replace hospital-west=12D3KooW...`,
		Args:    cobra.ExactArgs(1),
	}, func(arg string) (node.ChangeRequest, error) {
		s, err := parseSite(arg)
		return node.ChangeRequest{Remove: s.Name, Add: &node.RosterSite{Name: s.Name, ID: s.ID}}, err
	})
}

func newRosterApprove(e *env) *cobra.Command {
	return newRosterChange(e, &cobra.Command{
		Use:   "approve CHANGE",
		Short: "Approve of a change that another site asks for",
		Long: `Approve of a change that another site asks for; weft roster list shows them. Make sure by
other means, by phone for instance, that the change is what the other operators mean.`,
		Example:           `  weft roster approve 7k2m4q6a`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: e.completeChanges,
	}, func(arg string) (node.ChangeRequest, error) { return node.ChangeRequest{Approve: arg}, nil })
}

func (c *rosterChange) run(ctx context.Context, e *env, args []string) error {
	req, err := c.request(args[0])
	if err != nil {
		return err
	}
	before, err := e.client().Status(ctx)
	if err != nil {
		return err
	}
	asked, err := e.client().ChangeRoster(ctx, req)
	if err != nil {
		return err
	}
	if !e.json {
		e.out.Printf("this site approves:\n%s", changeText(e.out, &asked))
		warnRivals(ctx, e, &asked)
	}
	if c.wait {
		if err := awaitChange(ctx, e, &asked, before.Height+1); err != nil {
			return err
		}
	}
	if e.json {
		return e.printJSON(asked)
	}
	return nil
}

// warnRivals tells whoever approves of a site that comes of what is asked for beside it.
func warnRivals(ctx context.Context, e *env, asked *node.RosterChange) {
	r, err := e.client().Roster(ctx)
	if err != nil || asked.Change.Add == nil {
		return
	}
	for _, warning := range rivals(r.Changes) {
		e.err.Printf("weft: %s\n", warning)
	}
}

// awaitChange returns once the ledger has the change, and says how it stands whenever that changes.
func awaitChange(ctx context.Context, e *env, c *node.RosterChange, from uint64) error {
	said := ""
	for {
		r, err := e.client().Roster(ctx)
		if err != nil {
			return err
		}
		if r.Version > c.Change.Version {
			return decided(ctx, e, c, from)
		}
		for i := range r.Changes {
			if now := changeText(e.out, &r.Changes[i]); r.Changes[i].ID == c.ID && now != said {
				if said != "" && !e.json {
					e.out.Printf("%s", now)
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
func decided(ctx context.Context, e *env, c *node.RosterChange, from uint64) error {
	for {
		page, err := e.client().Ledger(ctx, from, ledgerPage)
		if err != nil {
			return err
		}
		for _, entry := range page {
			from = entry.Height + 1
			decided := ledger.As[ledger.Changed](entry.Entry)
			if decided == nil || decided.Change.Version != c.Change.Version {
				continue
			}
			if decided.Change.ID() != c.ID {
				return fail(nil, "weft roster list shows the roster in force; ask for the change again", "another change was decided before this one: %s", entry.Summary)
			}
			c.Missing, c.Joined = 0, true
			if !e.json {
				e.out.Printf("decided at height %d: %s\n", entry.Height, entry.Summary)
			}
			return nil
		}
		if len(page) == 0 {
			return fail(nil, "", "the ledger does not show what was decided")
		}
	}
}
