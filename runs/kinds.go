package runs

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// kind is what a site's runs do with a kind of statement. Each kind stands in a file of its own.
type kind struct {
	// receive takes another site's statement about a run that the ledger has; nil: it is ignored.
	receive func(r *Runs, s *ledger.Signed, body ledger.Body) error
	// restore takes an own statement of the log.
	restore func(r *Runs, s *ledger.Signed, body ledger.Body) error
	// asked takes a statement about what is asked for, and not open; it reports whether that is news. nil: there is none of that kind.
	asked func(a *asks, s *ledger.Signed, body ledger.Body) bool
}

var kinds = map[ledger.Kind]kind{}

// handle makes a kind of statement known to runs.
func handle(of ledger.Kind, k kind) struct{} {
	if _, twice := kinds[of]; twice {
		panic(fmt.Sprintf("kind %q is handled twice", of))
	}
	kinds[of] = k
	return struct{}{}
}

// ofRun is a statement about a run.
type ofRun interface{ OfRun() block.CID }

// Handles reports whether statements of a kind are about runs.
func Handles(of ledger.Kind) bool { _, ok := kinds[of]; return ok }

// Receive takes another site's statement, whose signature was checked. It returns early if the ledger
// here does not have yet what the statement is about, and an error if no correct site can have signed it.
func (r *Runs) Receive(s *ledger.Signed) (early bool, err error) {
	body, err := s.Open()
	if err != nil {
		return false, err
	}
	k := kinds[s.Kind]
	if k.asked != nil && r.asks.inForce() && !r.has(s, body) {
		if !r.env.observes() {
			k.asked(r.asks, s, body)
		}
		return false, nil // what opens a run brings what was said of it
	}
	if k.receive == nil {
		return false, nil
	}
	at, _ := body.(ledger.AtHeight)
	if !r.has(s, body) || at != nil && at.At() > r.env.Ledger.Height() {
		return true, nil
	}
	return false, k.receive(r, s, body)
}

// has reports whether the ledger has the run that a statement is about.
func (r *Runs) has(s *ledger.Signed, body ledger.Body) bool {
	if s.Kind == ledger.KindOpen {
		return r.env.Ledger.Run(s.ID()) != nil
	}
	about, ok := body.(ofRun)
	return ok && r.env.Ledger.Run(about.OfRun()) != nil
}

// Restore takes an own statement of the log.
func (r *Runs) Restore(s *ledger.Signed) error {
	body, err := s.Open()
	if err != nil {
		return err
	}
	return kinds[s.Kind].restore(r, s, body)
}
