package jobs

import (
	"context"
	"sync"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node/index"
)

// Intake is of something that is taken into the store, and gets its first use once it is there. Its content may be what is just being
// removed, since artifacts are named by their content: until it is noted what it is for, or the intake ends, nothing is removed.
type Intake struct {
	artifacts *artifacts
	over      func() // nil: it has not begun
}

// Begin keeps all that the store has, from now on.
func (i *Intake) Begin() {
	if i.over == nil {
		i.over = i.artifacts.holdAll()
	}
}

// Claim notes a use of an artifact that is in the store; held is false if it is not there, added if the node ends.
func (i *Intake) Claim(ctx context.Context, manifest block.CID, shards []block.CID, u index.Use) (held, added bool) {
	a := i.artifacts
	a.keep.Lock() // so that it is not just being removed
	defer a.keep.Unlock()
	held = a.holds(manifest)
	return held, held && a.index.Add(ctx, manifest, shards, u)
}

// End lets go of what has got no use.
func (i *Intake) End() {
	if i.over != nil {
		i.over()
	}
}

// holdAll keeps every artifact in the store until it is over.
func (a *artifacts) holdAll() (over func()) {
	a.keep.Lock() // so that nothing is just being removed
	defer a.keep.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	end := make(chan struct{})
	a.intakes[end] = true
	return sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.intakes, end)
		close(end)
	})
}
