package node

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// An update's owner is asked alone at first, if it can be reached.
func TestOwnerHasAHeadStart(t *testing.T) {
	for _, owner := range []peer.ID{"b", "gone", "self", ""} {
		synctest.Test(t, func(t *testing.T) {
			r := newReach()
			r.set("a", true)
			r.set("b", true)
			ctx, cancel := context.WithCancel(t.Context())
			begin := time.Now()
			more := r.providers(ctx, owner, "self")
			alone := owner == "b"
			if p := <-more; alone && p != owner || time.Since(begin) > 0 {
				t.Errorf("owner %q: %s is first, after %s", owner, p, time.Since(begin))
			}
			p := <-more
			if waited := time.Since(begin); alone != (waited >= headStart) {
				t.Errorf("owner %q: then %s after %s", owner, p, waited)
			}
			cancel()
			for range more {
			}
		})
	}
}
