package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/node/site"
)

func (a *app) meshCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mesh",
		Short: "Found, join and show a mesh",
		RunE:  group,
	}
	cmd.AddCommand(a.meshCreateCmd(), a.meshJoinCmd(), a.meshShowCmd())
	return cmd
}

// readGenesis reads a mesh file.
func readGenesis(path string) (*ledger.Genesis, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &failure{kind: errUsage, text: "no mesh file", err: err, hint: "`weft mesh create` writes one; get it from whoever founded the mesh"}
	case err != nil:
		return nil, err
	case info.Size() > block.MaxSize:
		return nil, fail(nil, "", "%s: %s is more than a mesh file has", path, term.Bytes(info.Size()))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	g, err := ledger.DecodeGenesis(data)
	if err != nil {
		return nil, &failure{kind: errUsage, text: path, err: err, hint: "a mesh file is what `weft mesh create` wrote, byte for byte"}
	}
	return g, nil
}

// meshText is a mesh for people: what they compare by phone before they trust it.
func (a *app) meshText(g *ledger.Genesis, self string) string {
	r := g.Roster()
	t := term.NewTable(term.Column{Name: "site", Shrink: true}, term.Column{Name: "peer ID"}, term.Column{})
	for _, s := range r.ByName() {
		mark := ""
		if s.ID.String() == self {
			mark = "this site"
		}
		t.Row(s.Name, s.ID.String(), mark)
	}
	lost := r.Len() - r.Quorum()
	text := a.out.Bold(g.Name) + "\n" +
		a.out.Dim("mesh    ") + g.Block().CID.String() + "\n" +
		a.out.Dim("faults  ") + string(g.Faults) + ": goes on with " + term.Plural(lost, "site") + " lost"
	if g.Faults == ledger.Byzantine {
		text += ", " + term.Plural(r.F(), "site") + " lying"
	}
	return text + "\n" + a.out.Dim("sites   ") + term.Plural(r.Len(), "site") + ", a quorum is " + term.Plural(r.Quorum(), "site") + "\n\n" + t.Text(a.out.Columns(), a.out.Dim)
}

func (a *app) meshShowCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Show the mesh as it was founded: this site's, or the one in a mesh file",
		Example: `  weft mesh show
  weft mesh show mesh.weft --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var g *ledger.Genesis
			self := ""
			if len(args) > 0 {
				var err error
				if g, err = readGenesis(args[0]); err != nil {
					return err
				}
			} else {
				h, err := site.Open(a.dir)
				if err != nil {
					return err
				}
				g, self = h.Genesis, h.ID.String()
			}
			if a.json {
				return a.printJSON(map[string]any{"mesh": g.Block().CID, "genesis": g, "quorum": g.Roster().Quorum()})
			}
			a.out.Printf("%s", a.meshText(g, self))
			if self != "" {
				a.out.Printf("%s", a.rosterNote())
			}
			return nil
		},
	}
	a.jsonFlag(cmd)
	return cmd
}

// rosterNote says that the roster has changed since the mesh was founded, as far as this site knows.
func (a *app) rosterNote() string {
	archive, err := archive.Open(a.dir)
	if err != nil {
		return "" // the node has not been up, or tells of it better
	}
	if r := archive.Report(); r.Changes > 0 {
		return fmt.Sprintf("\nthe roster has changed %s since: %s now (%s), a quorum is %d; weft roster list shows them\n",
			term.Plural(r.Changes, "time"), term.Plural(len(r.Sites), "site"), strings.Join(r.Sites, ", "), r.Quorum)
	}
	return ""
}

func (a *app) meshJoinCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "join FILE",
		Short: "Make this site part of the mesh in a mesh file",
		Long: `Make this site part of the mesh in a mesh file. Compare the mesh's CID with the other
sites, by phone for instance: equal CIDs mean equal founding rosters, to the last byte.
A site whose key the file does not list takes part once a change of the roster has added it
(weft roster add, at the sites that are in it).`,
		Example: `  weft mesh join mesh.weft`,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			g, err := readGenesis(args[0])
			if err != nil {
				return err
			}
			if err := site.Join(a.dir, g); err != nil {
				return err
			}
			return a.joined(g)
		},
	}
}

// joined shows the mesh that this site is now part of.
func (a *app) joined(g *ledger.Genesis) error {
	h, err := site.Open(a.dir)
	if err != nil {
		return err
	}
	a.out.Printf("%s\nCompare the mesh's CID with the other sites, then: ", a.meshText(g, h.ID.String()))
	if g.Roster().Has(h.ID) {
		a.out.Printf("weft up\n")
		warnName(a, g, h)
		return nil
	}
	ask := "add"
	if _, taken := g.Roster().Find(h.Config.Name); taken {
		ask = "replace" // another key has its name
	}
	a.out.Printf(`weft up --bootstrap ADDR
This key is not one of those above. It takes part once the operators of a quorum of sites have run
  weft roster %s %s=%s
and ADDR is where it reaches one of them (weft status shows it there).
`, ask, h.Config.Name, h.ID)
	return nil
}

// warnName tells of a site that calls itself other than the roster does.
func warnName(a *app, g *ledger.Genesis, h *site.Home) {
	if in := g.Roster().Name(h.ID); in != h.Config.Name {
		a.err.Printf("weft: the mesh knows this site as %q, %s calls it %q; the mesh's name is the one shown\n", in, filepath.Join(h.Dir, "config.yaml"), h.Config.Name)
	}
}
