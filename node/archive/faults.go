package archive

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/peerlog"
)

// Fault is a proof that a site has signed two statements for one place.
type Fault struct {
	Site      string            `json:"site"`
	ID        peer.ID           `json:"id"`
	Statement ledger.Kind       `json:"statement"` // their kind
	Height    uint64            `json:"height"`
	Until     uint64            `json:"until"`    // the last height at which it has an effect
	Counts    bool              `json:"counts"`   // it has one now: the site's updates do not count
	Evidence  *peerlog.Evidence `json:"evidence"` // with the signatures, for anyone to check
}

// Faults returns the proofs that the site's log keeps, as they came. Those that have lost their effect stay.
func (a *Archive) Faults() []Fault {
	list := []Fault{}
	for _, e := range a.proofs {
		f := Fault{
			Site: a.ledger.Name(e.A.From), ID: e.A.From, Statement: e.A.Kind, Height: e.Height(), Until: e.Height() + peerlog.MaxAge, Evidence: e,
		}
		f.Counts = a.ledger.Roster().Has(f.ID) && a.ledger.Height() <= f.Until
		list = append(list, f)
	}
	return list
}
