package runs

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// seeking is a model that is being fetched, was found useless, or was given up for a while.
type seeking struct {
	run   block.CID
	by    peer.ID       // the site that asked for a run from it; empty: the mesh
	since time.Duration // when the fetch began, or was given up
	look  time.Duration // when it is looked at again
	rests bool          // it was given up
}

// How long the base of a run that is not open is sought, which nobody may have.
const (
	soughtAlone   = 10 * time.Minute // while the site that asks for the run cannot be reached
	soughtLongest = time.Hour        // in any case; then it rests for as long
)

// tired reports whether a fetch is to end which the ledger does not want.
func (k *seeking) tired(now time.Duration, reaches func(peer.ID) bool) bool {
	return now >= k.since+soughtLongest || now >= k.look && !reaches(k.by)
}

// rest notes that the fetch is given up for a while.
func (k *seeking) rest(now time.Duration) { k.rests, k.since, k.look = true, now, now+soughtLongest }

// wait has a fetch that goes on looked at later.
func (k *seeking) wait(now time.Duration) { k.look = min(now+soughtAlone, k.since+soughtLongest) }
