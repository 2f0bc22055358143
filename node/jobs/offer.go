package jobs

import (
	"context"
	"sync"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node/index"
)

// Offer is something that is taken into the store, and gets its first use once it is there. Its content may be what is just being
// removed, since artifacts are named by their content: until it is noted what it is for, or the offer ends, nothing is removed.
type Offer struct {
	artifacts *artifacts
	over      func() // nil: it has not begun
}

// Begin keeps all that the store has, from now on.
func (o *Offer) Begin() {
	if o.over == nil {
		o.over = o.artifacts.holdAll()
	}
}

// Claim notes a use of an artifact that is in the store; held is false if it is not there, added if the node ends.
func (o *Offer) Claim(ctx context.Context, manifest block.CID, shards []block.CID, u index.Use) (held, added bool) {
	a := o.artifacts
	a.keep.Lock() // so that it is not just being removed
	defer a.keep.Unlock()
	held = a.holds(manifest)
	return held, held && a.index.Add(ctx, manifest, shards, u)
}

// End lets go of what has got no use.
func (o *Offer) End() {
	if o.over != nil {
		o.over()
	}
}

// holdAll keeps every artifact in the store until it is over.
func (a *artifacts) holdAll() (over func()) {
	a.keep.Lock() // so that nothing is just being removed
	defer a.keep.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	end := make(chan struct{})
	a.offered[end] = true
	return sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.offered, end)
		close(end)
	})
}
