package runs

import (
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// kind is what a site's runs do with a kind of statement. Each kind stands in a file of its own.
type kind struct {
	// receive takes another site's statement about a run that the ledger has; nil: it is ignored.
	receive func(r *Runs, s *ledger.Signed, body ledger.Body) error
	// restore takes an own statement of the log.
	restore func(r *Runs, s *ledger.Signed, body ledger.Body) error
	// own takes a statement of this site about a run that the ledger has, which another site shows it; nil: it is ignored.
	own func(r *Runs, s *ledger.Signed, body ledger.Body) error
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
	k, about := kinds[s.Kind], body.(ofRun)
	if k.receive == nil {
		return false, nil
	}
	at, _ := body.(ledger.AtHeight)
	if r.env.Ledger.Run(about.OfRun()) == nil || at != nil && at.At() > r.env.Ledger.Height() {
		return true, nil
	}
	return false, k.receive(r, s, body)
}

// ReceiveOwn takes an own statement that another site shows. If the log does not know it, it was put back to an earlier state:
// the site stands by what it has said.
func (r *Runs) ReceiveOwn(s *ledger.Signed) error {
	body, err := s.Open()
	if err != nil {
		return err
	}
	k := kinds[s.Kind]
	if k.own == nil || !r.active(body.(ofRun).OfRun()) {
		return nil
	}
	return k.own(r, s, body)
}

// recall has an own statement that the log did not know survive the next crash.
func (r *Runs) recall(s *ledger.Signed) error {
	if err := r.env.Out.Verify(s); err != nil {
		return err
	}
	r.env.Out.Save(s)
	r.env.Out.Trace(trace.Recalled{Subject: trace.Of(s.From), Statement: string(s.Kind)})
	r.env.touch()
	return nil
}

// SaidBy returns what a site has said of the active runs, as far as it still matters.
func (r *Runs) SaidBy(id peer.ID) []*ledger.Signed {
	var list []*ledger.Signed
	for _, run := range r.env.Ledger.Runs() {
		p := r.states[run.ID]
		if p == nil || !run.Active() {
			continue
		}
		if s := r.stops[run.ID][id]; s != nil {
			list = append(list, s)
		}
		if c := p.offers.sites[id]; c != nil {
			if c.said() {
				list = append(list, c.consent)
			}
			for _, u := range c.updates {
				list = append(list, u.statement)
			}
		}
	}
	return list
}

// Restore takes an own statement of the log.
func (r *Runs) Restore(s *ledger.Signed) error {
	body, err := s.Open()
	if err != nil {
		return err
	}
	return kinds[s.Kind].restore(r, s, body)
}
