package round

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
}

// NewGenesis founds a mesh of the given sites, in any order.
func NewGenesis(name string, faults Faults, sites []Site, nonce []byte) (*Genesis, error) {
	g := &Genesis{Version: 1, Name: name, Faults: faults, Sites: slices.Clone(sites), Nonce: nonce}
	slices.SortFunc(g.Sites, func(a, b Site) int { return compareIDs(a.ID, b.ID) })
	return g, g.Validate()
}

// DecodeGenesis reads a genesis document and checks it.
func DecodeGenesis(data []byte) (*Genesis, error) {
	var g Genesis
	if err := block.Decode(data, &g); err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
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
	case !validName(g.Name):
		return bad("mesh name %q (1 to %d bytes of printable text)", g.Name, maxName)
	case g.Faults != Byzantine && g.Faults != Crash:
		return bad("faults %q, want %q or %q", g.Faults, Byzantine, Crash)
	case len(g.Sites) == 0 || len(g.Sites) > maxSites:
		return bad("%d sites, want 1 to %d", len(g.Sites), maxSites)
	case len(g.Nonce) != 16:
		return bad("nonce of %d bytes, want 16", len(g.Nonce))
	}
	names := map[string]bool{}
	for i, s := range g.Sites {
		if err := s.ID.Validate(); err != nil {
			return bad("site %q: peer ID: %v", s.Name, err)
		}
		if !validName(s.Name) || names[s.Name] {
			return bad("site name %q is empty, too long or used twice", s.Name)
		}
		names[s.Name] = true
		if i > 0 && compareIDs(g.Sites[i-1].ID, s.ID) >= 0 {
			return bad("site %q: peer IDs must ascend and differ", s.Name)
		}
	}
	return nil
}

func validName(s string) bool {
	if len(s) == 0 || len(s) > maxName {
		return false
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return false
		}
	}
	return true
}

func compareIDs(a, b peer.ID) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Roster is the sites of a mesh, in the order of their peer IDs, with the arithmetic of its quorums.
type Roster struct {
	sites  []Site
	index  map[peer.ID]int
	faults Faults
}

// Roster returns the mesh's first roster.
func (g *Genesis) Roster() *Roster {
	r := &Roster{sites: g.Sites, index: map[peer.ID]int{}, faults: g.Faults}
	for i, s := range g.Sites {
		r.index[s.ID] = i
	}
	return r
}

// Sites returns the sites in order; the caller must not change them.
func (r *Roster) Sites() []Site { return r.sites }

// Len returns n, the number of sites.
func (r *Roster) Len() int { return len(r.sites) }

// Has reports whether id is a site's.
func (r *Roster) Has(id peer.ID) bool { _, ok := r.index[id]; return ok }

// Name returns the name of the site with that peer ID, or the peer ID's end for a stranger.
func (r *Roster) Name(id peer.ID) string {
	if i, ok := r.index[id]; ok {
		return r.sites[i].Name
	}
	return id.ShortString()
}

// F returns how many lying sites the mesh withstands: floor((n-1)/3), or 0 under [Crash].
func (r *Roster) F() int {
	if r.faults == Crash {
		return 0
	}
	return (len(r.sites) - 1) / 3
}

// Quorum returns q = floor((n+f)/2)+1: two quorums share more than f sites.
func (r *Roster) Quorum() int { return (len(r.sites)+r.F())/2 + 1 }

// updateBytes is the largest that a signed update may be, so that a seal of all sites fits an entry.
func (r *Roster) updateBytes() int { return min(maxUpdate, maxEntry/4*3/len(r.sites)) }

// Proposer returns who proposes in a view of the height after parent: (H(parent)+view) mod n.
func (r *Roster) Proposer(parent block.CID, view uint64) peer.ID {
	n := uint64(len(r.sites))
	var h uint64
	for _, b := range parent.Digest() {
		h = (h<<8 | uint64(b)) % n
	}
	return r.sites[(h+view%n)%n].ID
}

// bitmap returns the roster positions of the sites that has reports, least significant bit first.
func (r *Roster) bitmap(has func(peer.ID) bool) []byte {
	b := make([]byte, (len(r.sites)+7)/8)
	for i, s := range r.sites {
		if has(s.ID) {
			b[i/8] |= 1 << (i % 8)
		}
	}
	return b
}

// inBitmap reports whether the site's bit is set; a short bitmap has no bits beyond its end.
func (r *Roster) inBitmap(b []byte, id peer.ID) bool {
	i := r.index[id]
	return i/8 < len(b) && b[i/8]&(1<<(i%8)) != 0
}
