package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node"
)

// meshShow is `weft mesh show`.
type meshShow struct{}

func newMeshShow(e *env) *cobra.Command {
	c := &meshShow{}
	cmd := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Show the mesh as it was founded: this site's, or the one in a mesh file",
		Example: `  weft mesh show
  weft mesh show mesh.weft --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: e.runs(c.run),
	}
	e.jsonFlag(cmd)
	return cmd
}

func (c *meshShow) run(_ context.Context, e *env, args []string) error {
	g, self, err := c.find(e.dir, args)
	if err != nil {
		return err
	}
	if e.json {
		return e.printJSON(map[string]any{"mesh": g.Block().CID, "genesis": g, "quorum": g.Roster().Quorum()})
	}
	e.out.Printf("%s", meshText(e.out, g, self))
	if self != "" {
		e.out.Printf("%s", rosterNote(e.dir))
	}
	return nil
}

// find returns the mesh in a file, or the site's and the site's peer ID.
func (c *meshShow) find(dir string, args []string) (g *ledger.Genesis, self string, err error) {
	if len(args) > 0 {
		g, err = readGenesis(args[0])
		return g, "", err
	}
	h, err := node.Open(dir)
	if err != nil {
		return nil, "", err
	}
	return h.Genesis, h.ID.String(), nil
}

// rosterNote says that the roster has changed since the mesh was founded, as far as this site knows.
func rosterNote(dir string) string {
	archive, err := node.OpenArchive(dir)
	if err != nil {
		return "" // the node has not been up, or tells of it better
	}
	if r := archive.Report(); r.Changes > 0 {
		return fmt.Sprintf("\nthe roster has changed %s since: %s now (%s), a quorum is %d; weft roster list shows them\n",
			term.Plural(r.Changes, "time"), term.Plural(len(r.Sites), "site"), strings.Join(r.Sites, ", "), r.Quorum)
	}
	return ""
}
