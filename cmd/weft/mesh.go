package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/ledger"
)

func newMesh(e *env) *cobra.Command {
	return newGroup(&cobra.Command{Use: "mesh", Short: "Found, join and show a mesh"}, newMeshCreate(e), newMeshJoin(e), newMeshShow(e))
}

// readGenesis reads a mesh file.
func readGenesis(path string) (*ledger.Genesis, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, advised(&failure{kind: errUsage, text: "no mesh file", err: err}, "`weft mesh create` writes one; get it from whoever founded the mesh")
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
		return nil, advised(&failure{kind: errUsage, text: path, err: err}, "a mesh file is what `weft mesh create` wrote, byte for byte")
	}
	return g, nil
}

// meshText is a mesh for people: what they compare by phone before they trust it.
func meshText(out *term.Out, g *ledger.Genesis, self string) string {
	r := g.Roster()
	t := term.NewTable(term.Column{Name: "site", Shrink: true}, term.Column{Name: "peer ID"}, term.Column{})
	for _, s := range r.ByName() {
		mark := ""
		if s.ID.String() == self {
			mark = "this site"
		}
		t.Row(s.Name, s.ID.String(), mark)
	}
	lying := 0
	if g.Faults == ledger.Byzantine {
		lying = r.F()
	}
	text := out.Bold(g.Name) + "\n" +
		out.Dim("mesh    ") + g.Block().CID.String() + "\n" +
		out.Dim("faults  ") + string(g.Faults) + ": " + goesOnText(r.Len()-r.Quorum(), lying)
	return text + "\n" + out.Dim("sites   ") + term.Plural(r.Len(), "site") + ", a quorum is " + term.Plural(r.Quorum(), "site") + "\n\n" + t.Text(out.Columns(), out.Dim)
}

// goesOnText says with how many absent and how many lying sites a mesh goes on.
func goesOnText(absent, lying int) string {
	return fmt.Sprintf("goes on with %s absent, and %d lying", term.Plural(absent, "site"), lying)
}
