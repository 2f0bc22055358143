package runs

import (
	"cmp"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// MaxAskedShown is how many runs that are asked for a head is about at most: those that most sites consent to.
const MaxAskedShown = 16

// AskedHead is what a site knows of a run that is asked for.
type AskedHead struct {
	Run      block.CID `cbor:"run"`
	Consents []uint64  `cbor:"consents"` // serials of the newest that it knows, by roster position, 0 for none; those after the last are left out
}

// AskedHeads says which lists and consents this site knows: the serials of the lists, by roster position, and those of each run.
func (r *Runs) AskedHeads() (lists []uint64, asked []AskedHead) {
	if !r.asks.inForce() {
		return nil, nil
	}
	for _, k := range r.asks.shown() {
		asked = append(asked, AskedHead{k.id, append([]uint64{}, r.asks.serials(k.serial)...)})
	}
	return r.asks.serials(r.asks.serial), asked
}

// serials returns what of says of each site, by roster position, up to the last that is not 0.
func (a *asks) serials(of func(peer.ID) uint64) (list []uint64) {
	for i, site := range a.env.roster().Sites() {
		if n := of(site.ID); n > 0 {
			list = append(append(list, make([]uint64, i-len(list))...), n)
		}
	}
	return list
}

// shown returns the runs that heads are about.
func (a *asks) shown() []*ask {
	support := func(k *ask) int { return len(k.accepting(a.env.roster(), func(*ledger.Consent) bool { return true })) }
	all := slices.SortedFunc(slices.Values(a.list), func(x, y *ask) int { return cmp.Or(support(y)-support(x), x.id.Compare(y.id)) })
	return all[:min(len(all), MaxAskedShown)]
}

// AskedGap gives what a site with these heads lacks of what is asked for.
func (r *Runs) AskedGap(lists []uint64, asked []AskedHead, give func(*ledger.Signed)) {
	if !r.asks.inForce() {
		return
	}
	lacks := func(serials []uint64, i int, n uint64) bool { return n > 0 && (i >= len(serials) || serials[i] < n) }
	sites := r.env.roster().Sites()
	for i, site := range sites {
		if lacks(lists, i, r.asks.serial(site.ID)) {
			give(r.asks.lists[site.ID])
		}
	}
	for _, k := range r.asks.shown() {
		at := slices.IndexFunc(asked, func(h AskedHead) bool { return h.Run == k.id })
		switch {
		case at < 0 && len(asked) >= MaxAskedShown:
			continue // it may know it, and shows others
		case at < 0:
			give(k.statement)
			asked, at = append(asked, AskedHead{Run: k.id}), len(asked)
		}
		for i, site := range sites {
			if lacks(asked[at].Consents, i, k.serial(site.ID)) {
				give(k.consents[site.ID])
			}
		}
	}
}
