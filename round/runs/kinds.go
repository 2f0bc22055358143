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
	// asked takes a statement about what is asked for, and not open; it reports whether that is news. nil: there is none of that kind.
	asked func(a *asks, s *ledger.Signed, body ledger.Body) bool
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

// ReceiveOwn takes an own statement that another site shows. If the log does not know it, it was put back to an earlier state:
// the site stands by what it has said.
func (r *Runs) ReceiveOwn(s *ledger.Signed) error {
	body, err := s.Open()
	if err != nil {
		return err
	}
	k := kinds[s.Kind]
	if about, ok := body.(ofRun); ok && r.has(s, body) {
		if k.own == nil || !r.active(about.OfRun()) {
			return nil
		}
		return k.own(r, s, body)
	}
	if k.asked == nil || r.env.observes() || !r.asks.inForce() || r.has(s, body) {
		return nil
	}
	return r.asks.receiveOwn(k, s, body)
}

// recall has an own statement that the log did not know survive the next crash.
func (v *env) recall(s *ledger.Signed) error {
	if err := v.Out.Verify(s); err != nil {
		return err
	}
	v.recalled(s)
	return nil
}

// recalled is recall for a statement that was verified.
func (v *env) recalled(s *ledger.Signed) {
	v.Out.Save(s)
	v.Out.Trace(trace.Recalled{Subject: trace.Of(s.From), Statement: string(s.Kind)})
	v.touch()
}

// SaidBy returns what a site has said of the runs that are asked for or active, as far as it still matters.
func (r *Runs) SaidBy(id peer.ID) []*ledger.Signed {
	list := r.asks.saidBy(id)
	for _, run := range r.env.Ledger.Runs() {
		p := r.states[run.ID]
		if p == nil || !run.Active() {
			continue
		}
		if s := r.stops[run.ID][id]; s != nil {
			list = append(list, s)
		}
		if s := r.troubles.said[run.ID][id]; s != nil {
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
