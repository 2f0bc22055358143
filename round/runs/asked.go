package runs

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

var (
	_ = handle(ledger.KindOpen, kind{
		asked: func(a *asks, s *ledger.Signed, body ledger.Body) bool { return a.noteOpen(s, body.(*ledger.RunSpec)) },
		restore: func(r *Runs, s *ledger.Signed, body ledger.Body) error {
			r.asks.add(s, body.(*ledger.RunSpec))
			return nil
		},
	})
	_ = handle(ledger.KindAsks, kind{
		asked: func(a *asks, s *ledger.Signed, _ ledger.Body) bool { return a.noteList(s) },
		restore: func(r *Runs, s *ledger.Signed, _ ledger.Body) error {
			r.asks.noteList(s)
			return nil
		},
	})
)

// Ask is the wish of this site's operator for a run.
func (r *Runs) Ask(spec *ledger.RunSpec) {
	if err := spec.Validate(r.env.roster(), r.env.Ledger.Protocol(r.env.Ledger.Height()+1).Number); err != nil || r.env.Ledger.Run(spec.ID()) != nil || len(r.asks.own()) >= ledger.MaxAsked {
		return // the driver has checked and told the operator
	}
	s := r.env.Out.Sign(ledger.KindOpen, spec)
	r.asks.add(s, spec).wish()
	r.env.Out.Save(s)
}

// takeBack ends this site's own asking for a run. If it is opened all the same, because the others had agreed by then, it is
// stopped at once.
func (r *Runs) takeBack(e StopRun) {
	if k := r.asks.find(e.Run); k == nil || k.spec.By != r.env.Self {
		return
	}
	body := &ledger.Stop{Run: e.Run, Reason: e.Reason}
	s := r.env.Out.Sign(ledger.KindStop, body)
	r.env.Out.Save(s)
	r.noteStop(s, body)
	r.asks.remove(func(k *ask) bool { return k.id == e.Run })
	if r.asks.inForce() {
		r.asks.say(r.asks.own())
	}
}

// opened turns a run that was asked for into one that is open: what was said of it counts on.
func (r *Runs) opened(run block.CID, o *ledger.Open) {
	k := r.asks.opened(run)
	p := r.of(run)
	for i := range o.Consents {
		noteAnswer(p, &o.Consents[i])
	}
	if k != nil {
		for _, site := range r.env.roster().Sites() {
			if s := k.consents[site.ID]; s != nil {
				noteAnswer(p, s)
			}
		}
		if k.weighed {
			p.asked()
		}
	}
	for _, s := range r.asks.recall(run) {
		noteAnswer(p, s)
	}
	if own := p.offers.of(p.Self); own.said() {
		p.asked()
		b, _ := ledger.BodyOf[ledger.Consent](own.consent, ledger.KindConsent)
		p.publishConsent(own.consent, b)
		if since := k.consent(p.Self); contradicts(since, b) {
			p.consider(Considered{run, since.Accept, since.Samples, since.Reason})
		}
	}
	if s := r.stops[run][r.env.Self]; s != nil {
		r.tellStop(s, run)
	}
}

// receiveOwn takes an own statement about a run that is asked for. It is adopted, so that the next word has a higher serial. What
// the operator has said since by the same serial the others have passed over: it is said again.
func (a *asks) receiveOwn(k kind, s *ledger.Signed, body ledger.Body) error {
	if err := a.env.Out.Verify(s); err != nil {
		return err
	}
	since := a.yield(body)
	if !k.asked(a, s, body) {
		return nil
	}
	a.env.recalled(s)
	if since != nil {
		a.answer(a.find(since.Run), Considered{since.Run, since.Accept, since.Samples, since.Reason})
	}
	return nil
}

// yield takes back what this site has said by the serial of an older statement of its own, so that the older one counts. It
// returns the answer that it took back, nil if it was none; a list is declared anew by [asks.follow].
func (a *asks) yield(older ledger.Body) *ledger.Consent {
	switch b := older.(type) {
	case *ledger.Asks:
		if own := a.asksFor(a.env.Self); own != nil && own.Serial == b.Serial && !slices.Equal(own.Runs, b.Runs) {
			delete(a.lists, a.env.Self)
		}
	case *ledger.Consent:
		k := a.find(b.Run)
		if own := k.consent(a.env.Self); contradicts(own, b) {
			k.leave(a.env.Self)
			return own
		}
	}
	return nil
}

// contradicts reports whether a site has given two answers by one serial: it has forgotten the one that the others know.
func contradicts(own, other *ledger.Consent) bool {
	return own != nil && own.Serial == other.Serial && own.Accept != other.Accept
}

// saidBy returns what a site asks for, and what it has answered: its list first, without which a description counts for nothing.
func (a *asks) saidBy(id peer.ID) (list []*ledger.Signed) {
	if s := a.lists[id]; s != nil {
		list = append(list, s)
	}
	for _, k := range a.list {
		if k.spec.By == id {
			list = append(list, k.statement)
		}
		if s := k.consents[id]; s != nil {
			list = append(list, s)
		}
	}
	return list
}

// AskedRun is a run that is asked for and not open.
type AskedRun struct {
	Run      block.CID
	Spec     *ledger.RunSpec
	Unknown  []string                    // fields of the description that this program does not know
	Consents map[peer.ID]*ledger.Consent // the newest answer of each site that has given one
	Before   []block.CID                 // runs that its opener has asked for earlier: all sites take them in that order
	Takers   int                         // sites that must accept; 0: the protocol in force asks nobody
}

// Asked returns the runs that are asked for and not open, in the order in which this site has heard of them.
func (r *Runs) Asked() []AskedRun {
	var list []AskedRun
	for _, k := range r.asks.list {
		shown := AskedRun{Run: k.id, Spec: k.spec, Unknown: k.statement.Unknown(), Consents: map[peer.ID]*ledger.Consent{}}
		if listed := r.asks.asksFor(k.spec.By); listed != nil {
			shown.Before = listed.Runs[:max(0, slices.Index(listed.Runs, k.id))]
		}
		if r.asks.inForce() {
			shown.Takers = k.spec.Takers(r.env.roster())
		}
		for id := range k.consents {
			shown.Consents[id] = k.consent(id)
		}
		list = append(list, shown)
	}
	return list
}
