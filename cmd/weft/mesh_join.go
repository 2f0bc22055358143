package main

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/site"
)

// meshJoin is `weft mesh join`.
type meshJoin struct{}

func newMeshJoin(e *env) *cobra.Command {
	c := &meshJoin{}
	return &cobra.Command{
		Use:   "join FILE",
		Short: "Make this site part of the mesh in a mesh file",
		Long: `Make this site part of the mesh in a mesh file. Compare the mesh's CID with the other
sites, by phone for instance: equal CIDs mean equal founding rosters, to the last byte.
A site whose key the file does not list takes part once a change of the roster has added it
(weft roster add, at the sites that are in it).`,
		Example: `  weft mesh join mesh.weft`,
		Args:    cobra.ExactArgs(1),
		RunE:    e.runs(c.run),
	}
}

func (c *meshJoin) run(_ context.Context, e *env, args []string) error {
	g, err := readGenesis(args[0])
	if err != nil {
		return err
	}
	if err := site.Join(e.dir, g); err != nil {
		return err
	}
	return joined(e, g)
}

// joined shows the mesh that this site is now part of.
func joined(e *env, g *ledger.Genesis) error {
	h, err := site.Open(e.dir)
	if err != nil {
		return err
	}
	e.out.Printf("%s\nCompare the mesh's CID with the other sites, then: ", meshText(e.out, g, h.ID.String()))
	if g.Roster().Has(h.ID) {
		e.out.Printf("weft up\n")
		warnName(e.err, g, h)
		return nil
	}
	ask := "add"
	if _, taken := g.Roster().Find(h.Config.Name); taken {
		ask = "replace" // another key has its name
	}
	e.out.Printf(`weft up --bootstrap ADDR
This key is not one of those above. It takes part once the operators of a quorum of sites have run
  weft roster %s %s
and ADDR is where it reaches one of them (weft status shows it there).
`, ask, hint.Shell(h.Config.Name+"="+h.ID.String()))
	return nil
}

// warnName tells of a site that calls itself other than the roster does.
func warnName(out *term.Out, g *ledger.Genesis, h *site.Home) {
	if in := g.Roster().Name(h.ID); in != h.Config.Name {
		out.Printf("weft: the mesh knows this site as %q, %s calls it %q; the mesh's name is the one shown\n", in, filepath.Join(h.Dir, "config.yaml"), h.Config.Name)
	}
}
