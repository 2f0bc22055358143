package ledger

import (
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// Faults says what the mesh withstands.
type Faults string

const (
	// Byzantine means that floor((n-1)/3) sites may fail in any way, lies included.
	Byzantine Faults = "byzantine"
	// Crash means that any minority of sites may stop or lose messages; none lies.
	Crash Faults = "crash"
)

// Site is an institution's place in the roster.
type Site struct {
	ID   peer.ID `cbor:"id" json:"id"`
	Name string  `cbor:"name" json:"name"`
}

// Genesis is the document that founds a mesh; its CID is the mesh's name.
type Genesis struct {
	Version uint64 `cbor:"version" json:"version"` // 1
	Name    string `cbor:"name" json:"name"`
	Faults  Faults `cbor:"faults" json:"faults"`
	Sites   []Site `cbor:"sites" json:"sites"` // ascending by the bytes of ID
	Nonce   []byte `cbor:"nonce" json:"nonce"` // 16 random bytes: two meshes of the same sites differ
	// Protocol is the number in force from height 1, left out if it is 1; Weft is the version that brings it.
	Protocol uint64 `cbor:"protocol,omitempty" json:"protocol,omitempty"`
	Weft     string `cbor:"weft,omitempty" json:"weft,omitempty"`
}

// NewGenesis founds a mesh of the given sites, in any order.
func NewGenesis(name string, faults Faults, sites []Site, nonce []byte) (*Genesis, error) {
	g := &Genesis{Version: 1, Name: name, Faults: faults, Sites: slices.Clone(sites), Nonce: nonce}
	slices.SortFunc(g.Sites, func(a, b Site) int { return CompareIDs(a.ID, b.ID) })
	return g, g.Validate()
}

// Under sets the protocol number that is in force from the first height on, and the version of weft that brings it.
func (g *Genesis) Under(protocol uint64, weft string) {
	if g.Protocol, g.Weft = protocol, weft; protocol == 1 {
		g.Protocol, g.Weft = 0, ""
	}
}

// DecodeGenesis reads a genesis document and checks it.
func DecodeGenesis(data []byte) (*Genesis, error) {
	var g Genesis
	unknown, err := block.DecodeKnown(data, &g)
	switch {
	case err != nil:
		return nil, fmt.Errorf("genesis: %w", err)
	case len(unknown) > 0:
		return nil, fmt.Errorf("genesis: %w", &NewerError{g.Weft, fmt.Sprintf("it has fields that this program does not know: %q", unknown)})
	}
	return &g, g.Validate()
}

// Block returns the document as a block; its CID is the mesh.
func (g *Genesis) Block() block.Block { return block.Of(g) }

// Validate says what is wrong with the document, if anything.
func (g *Genesis) Validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("genesis: %w: %s", ErrMalformed, fmt.Sprintf(format, args...))
	}
	switch {
	case g.Version != 1:
		return bad("version %d, this weft reads version 1", g.Version)
	case !ValidName(g.Name):
		return bad("mesh name %q (1 to %d bytes of printable text)", g.Name, MaxName)
	case g.Faults != Byzantine && g.Faults != Crash:
		return bad("faults %q, want %q or %q", g.Faults, Byzantine, Crash)
	case len(g.Sites) == 0 || len(g.Sites) > MaxSites:
		return bad("%d sites, want 1 to %d", len(g.Sites), MaxSites)
	case len(g.Nonce) != 16:
		return bad("nonce of %d bytes, want 16", len(g.Nonce))
	}
	if err := checkNewer(g.Protocol, g.Weft); err != nil {
		return bad("%v", err)
	}
	names := map[string]bool{}
	for i, s := range g.Sites {
		if err := s.ID.Validate(); err != nil {
			return bad("site %q: peer ID: %v", s.Name, err)
		}
		switch {
		case !ValidName(s.Name):
			return bad("site name %q: want 1 to %d bytes of printable text", s.Name, MaxName)
		case names[s.Name]:
			return bad("two sites are named %q", s.Name)
		}
		names[s.Name] = true
		if i > 0 && CompareIDs(g.Sites[i-1].ID, s.ID) >= 0 {
			return bad("site %q: peer IDs must ascend and differ", s.Name)
		}
	}
	return nil
}

// ValidName reports whether a text may name a mesh, a site, a run or a metric. Its rule is the protocol's, and must not
// change with the tables of a Unicode version.
func ValidName(s string) bool {
	if len(s) == 0 || len(s) > MaxName {
		return false
	}
	for _, r := range s {
		switch {
		case r < ' ', r >= 0x7f && r < 0xa0, r == 0xfffd: // controls, and what is no UTF-8
			return false
		case r == 0x61c, r == 0x200e, r == 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069: // they reorder or break a line
			return false
		}
	}
	return true
}

// CompareIDs orders sites by the bytes of their peer IDs.
func CompareIDs(a, b peer.ID) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Roster returns the mesh's first roster.
func (g *Genesis) Roster() *Roster { return NewRoster(g.Sites, g.Faults) }
