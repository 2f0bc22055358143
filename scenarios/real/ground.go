package real

import (
	"context"

	"github.com/weft-mesh/weft/scenarios/local"
	"github.com/weft-mesh/weft/scenarios/real/shape"
)

// ground is what the nodes stand on: where each listens, how it is started, and the links between them.
type ground interface {
	site(i int, s *local.Site)     // fills in where the site listens and how its node is started
	reach(from, to int) string     // the multiaddr at which one site finds another
	run(ctx context.Context) error // carries what they say, until ctx ends
	close()                        // gives everything back, if run has returned or was never called

	setPath(from, to int, p shape.Path) error
	setCut(cut func(from, to int) bool) error
	traffic(from, to int) (shape.Traffic, error)
}
