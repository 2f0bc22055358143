package main

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/outfile"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/site"
)

// defaultMeshFile is where `weft mesh create` writes unless told otherwise.
const defaultMeshFile = "mesh.weft"

// meshCreate is `weft mesh create`.
type meshCreate struct {
	sites  []string
	faults string
	to     string
}

func newMeshCreate(e *env) *cobra.Command {
	c := &meshCreate{}
	cmd := &cobra.Command{
		Use:   "create NAME --site NAME=PEERID...",
		Short: "Found a mesh: write its genesis file from the roster",
		Long: `Found a mesh: write its genesis file from the roster, to be sent to every site, and
join it if this site is in the roster. The file holds nothing secret; whoever has
another file has another mesh, as its CID shows.

--faults byzantine withstands floor((n-1)/3) sites that fail in any way, lies included.
--faults crash withstands any minority of sites that stop, and no liar.`,
		Example: `  weft mesh create letters \
    --site hospital-a=12D3KooWA... --site hospital-b=12D3KooWB... \
    --site hospital-c=12D3KooWC...`,
		Args: cobra.ExactArgs(1),
		RunE: e.runs(c.run),
	}
	cmd.Flags().StringArrayVar(&c.sites, "site", nil, "a site of the roster, `NAME=PEERID` as weft init printed it; repeat for each")
	cmd.Flags().StringVar(&c.faults, "faults", string(ledger.Byzantine), "what the mesh withstands: byzantine or crash")
	cmd.Flags().StringVarP(&c.to, "output", "o", defaultMeshFile, "the mesh file to write; - for standard output, and this site does not join")
	return cmd
}

func (c *meshCreate) run(_ context.Context, e *env, args []string) error {
	roster, err := parseSites(c.sites)
	if err != nil {
		return err
	}
	nonce := make([]byte, 16)
	if _, err := rand.Read(nonce); err != nil {
		return err
	}
	g, err := ledger.NewGenesis(args[0], ledger.Faults(c.faults), roster, nonce)
	if err != nil {
		return usage("%v", err)
	}
	g.Under(ledger.Newest, ledger.NewestWeft)
	if err := c.check(e.dir, g); err != nil {
		return err
	}
	if err := c.write(e.out, g.Block().Data); err != nil || outfile.IsStdout(c.to) {
		return err
	}
	e.out.Printf("wrote %s: send it to every site, each runs `weft mesh join %s`\n\n", c.to, hint.Shell(c.to))
	return joinIfListed(e, g)
}

func parseSites(list []string) ([]ledger.Site, error) {
	if len(list) == 0 {
		return nil, usage("a mesh needs its sites: --site NAME=PEERID, once for each")
	}
	sites := make([]ledger.Site, 0, len(list))
	for _, arg := range list {
		s, err := parseSite(arg)
		if err != nil {
			return nil, err
		}
		sites = append(sites, s)
	}
	return sites, nil
}

// parseSite reads NAME=PEERID, as weft id prints it.
func parseSite(s string) (ledger.Site, error) {
	i := strings.LastIndexByte(s, '=') // a name may have one too
	if i < 0 {
		return ledger.Site{}, usage("%q: want NAME=PEERID, as `weft id` prints it", s)
	}
	id, err := peer.Decode(s[i+1:])
	if err != nil {
		return ledger.Site{}, usage("%q: %q is not a peer ID; weft id prints it at the site", s, s[i+1:])
	}
	return ledger.Site{ID: id, Name: s[:i]}, nil
}

// check refuses to write the file of a mesh that this site could not join then: its configuration is wrong, or it is in
// a mesh already. A directory that is no site, or not one of the mesh's, is no hindrance.
func (c *meshCreate) check(dir string, g *ledger.Genesis) error {
	if outfile.IsStdout(c.to) {
		return nil
	}
	id, _, err := readSite(dir)
	switch {
	case errors.Is(err, site.ErrNotInitialised):
		return nil
	case err != nil:
		return err
	case !g.Roster().Has(id):
		return nil
	}
	if h, err := site.Open(dir); err == nil {
		return fail(nil, "a directory is one site in one mesh: use another with --dir, or write the file alone with -o -", "this site is in mesh %q (%s) already", h.Genesis.Name, h.Genesis.Block().CID.Short())
	}
	return nil
}

// write writes a file that must not be there yet: another genesis is another mesh.
func (c *meshCreate) write(out *term.Out, data []byte) error {
	if !outfile.IsStdout(c.to) && exists(c.to) {
		return fail(nil, "another file with -o; a mesh is founded once", "write %s: the file exists", c.to)
	}
	f, err := outfile.Create(c.to, out)
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}

// joinIfListed joins the mesh if the directory is a site of it.
func joinIfListed(e *env, g *ledger.Genesis) error {
	id, _, err := readSite(e.dir)
	if err != nil || !g.Roster().Has(id) {
		e.out.Printf("%s\nThis machine is not one of its sites.\n", meshText(e.out, g, ""))
		return nil
	}
	if err := site.Join(e.dir, g); err != nil {
		return err
	}
	return joined(e, g)
}
