package ledger

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// Roster is the sites of a mesh in force from one height on, in the order of their peer IDs, with the
// arithmetic of its quorums. It never changes; a roster entry puts another in its place.
type Roster struct {
	version uint64 // changes before it
	from    uint64 // first height at which it is in force
	sites   []Site
	index   map[peer.ID]int
	faults  Faults
}

// NewRoster returns the first roster of a mesh. The sites must ascend by their peer IDs.
func NewRoster(sites []Site, faults Faults) *Roster { return newRoster(0, 1, sites, faults) }

func newRoster(version, from uint64, sites []Site, faults Faults) *Roster {
	r := &Roster{version: version, from: from, sites: sites, index: make(map[peer.ID]int, len(sites)), faults: faults}
	for i, s := range sites {
		r.index[s.ID] = i
	}
	return r
}

// Version returns how many changes have made this roster of the genesis'.
func (r *Roster) Version() uint64 { return r.version }

// From returns the first height at which the roster is in force.
func (r *Roster) From() uint64 { return r.from }

// Sites returns the sites in order; the caller must not change them.
func (r *Roster) Sites() []Site { return r.sites }

// ByName returns the sites as people look for them.
func (r *Roster) ByName() []Site {
	return slices.SortedFunc(slices.Values(r.sites), func(a, b Site) int { return cmp.Compare(a.Name, b.Name) })
}

// Find returns the site of that name.
func (r *Roster) Find(name string) (Site, bool) {
	i := slices.IndexFunc(r.sites, func(s Site) bool { return s.Name == name })
	if i < 0 {
		return Site{}, false
	}
	return r.sites[i], true
}

// Len returns n, the number of sites.
func (r *Roster) Len() int { return len(r.sites) }

// Index returns the position of a site in the roster.
func (r *Roster) Index(id peer.ID) (int, bool) { i, ok := r.index[id]; return i, ok }

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

// UpdateBytes is the largest that a signed update may be, so that a seal of all sites fits an entry.
func (r *Roster) UpdateBytes() int { return min(maxUpdate, MaxEntry/4*3/len(r.sites)) }

// Proposer returns who proposes in a view of the height after parent: (H(parent)+view) mod n.
func (r *Roster) Proposer(parent block.CID, view uint64) peer.ID {
	n := uint64(len(r.sites))
	var h uint64
	for _, b := range parent.Digest() {
		h = (h<<8 | uint64(b)) % n
	}
	return r.sites[(h+view%n)%n].ID
}

// Bitmap returns the roster positions of the sites that has reports, least significant bit first.
func (r *Roster) Bitmap(has func(peer.ID) bool) []byte {
	b := make([]byte, (len(r.sites)+7)/8)
	for i, s := range r.sites {
		if has(s.ID) {
			b[i/8] |= 1 << (i % 8)
		}
	}
	return b
}

// change returns the roster that a change makes of this one, in force from a height on.
func (r *Roster) change(c *Change, from uint64) (*Roster, error) {
	if c.Version != r.version {
		return nil, fmt.Errorf("%w: it changes version %d of the roster, in force is version %d", ErrInvalid, c.Version, r.version)
	}
	bad := func(format string, args ...any) (*Roster, error) {
		return nil, fmt.Errorf("%w: %s: %s", ErrInvalid, c, fmt.Sprintf(format, args...))
	}
	sites := slices.Clone(r.sites)
	if out := c.Remove; out != nil {
		i, ok := r.index[out.ID]
		if !ok || sites[i] != *out {
			return bad("no site %q has the key %s", out.Name, out.ID)
		}
		sites = slices.Delete(sites, i, i+1)
	}
	if in := c.Add; in != nil {
		if slices.ContainsFunc(sites, func(s Site) bool { return s.Name == in.Name }) {
			return nil, fmt.Errorf("%w: %s: %w: there is a site %q already", ErrInvalid, c, ErrNameTaken, in.Name)
		}
		i, found := slices.BinarySearchFunc(sites, in.ID, func(s Site, id peer.ID) int { return CompareIDs(s.ID, id) })
		if found {
			return bad("its key is that of site %q", sites[i].Name)
		}
		sites = slices.Insert(sites, i, *in)
	}
	switch {
	case len(sites) == 0:
		return bad("the last site stays")
	case len(sites) > MaxSites:
		return bad("a mesh has at most %d sites", MaxSites)
	}
	return newRoster(r.version+1, from, sites, r.faults), nil
}

// InBitmap reports whether the site's bit is set; a short bitmap has no bits beyond its end.
func (r *Roster) InBitmap(b []byte, id peer.ID) bool {
	i, ok := r.index[id]
	return ok && i/8 < len(b) && b[i/8]&(1<<(i%8)) != 0
}
