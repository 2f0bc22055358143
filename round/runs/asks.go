package runs

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// asks are the runs that are asked for and not open: from [ledger.AskProtocol] on those of all sites, before it this site's own.
// They cost no byte of the ledger, no model is fetched for them, and of each site at most [ledger.MaxAsked] are kept.
type asks struct {
	env    *env
	lists  map[peer.ID]*ledger.Signed // kind "asks": the newest of each site
	list   []*ask                     // in the order in which they were heard of
	said   []*ledger.Signed           // own answers of the log, on runs that are not asked for as far as this site knows
	formed map[block.CID]bool         // runs that a candidate of this height would open, and this site stands behind
}

// maxSaid is how many own answers on runs that may be asked for again are kept.
const maxSaid = 1024

func newAsks(v *env) *asks {
	return &asks{env: v, lists: map[peer.ID]*ledger.Signed{}, formed: map[block.CID]bool{}}
}

// inForce reports whether runs are asked for before they are opened.
func (a *asks) inForce() bool {
	return a.env.Ledger.Protocol(a.env.Ledger.Height()+1).Number >= ledger.AskProtocol
}

// find returns the run that is asked for, or nil.
func (a *asks) find(run block.CID) *ask {
	for _, k := range a.list {
		if k.id == run {
			return k
		}
	}
	return nil
}

// own returns the runs that this site asks for, the first of them if it asked for more by an older protocol.
func (a *asks) own() (ids []block.CID) {
	for _, k := range a.list {
		if k.spec.By == a.env.Self && len(ids) < ledger.MaxAsked {
			ids = append(ids, k.id)
		}
	}
	return ids
}

// asksFor returns the newest list of a site, nil if it has said none.
func (a *asks) asksFor(id peer.ID) *ledger.Asks {
	if s := a.lists[id]; s != nil {
		b, _ := ledger.BodyOf[ledger.Asks](s, ledger.KindAsks) // it was read when it came
		return b
	}
	return nil
}

// serial returns that of a site's newest list, 0 if it has said none.
func (a *asks) serial(id peer.ID) uint64 {
	if b := a.asksFor(id); b != nil {
		return b.Serial
	}
	return 0
}

// add takes the description of a run that a site asks for. What this site has said of it before a restart counts.
func (a *asks) add(s *ledger.Signed, spec *ledger.RunSpec) *ask {
	if k := a.find(s.ID()); k != nil {
		return k
	}
	k := newAsk(s, spec)
	a.list = append(a.list, k)
	for _, said := range a.recall(k.id) {
		b, _ := ledger.BodyOf[ledger.Consent](said, ledger.KindConsent)
		a.noteConsent(k, said, b)
	}
	a.env.touch()
	return k
}

// remove drops the runs for which f is true: they are no longer asked for.
func (a *asks) remove(f func(*ask) bool) {
	a.list = slices.DeleteFunc(a.list, f)
	a.env.touch()
}

// opened takes a run that the ledger has from the list, and returns what was heard of it, nil if nothing was.
func (a *asks) opened(run block.CID) *ask {
	k := a.find(run)
	a.list = slices.DeleteFunc(a.list, func(o *ask) bool { return o == k })
	return k
}

// advance turns to the next height, which has no candidates yet.
func (a *asks) advance() { clear(a.formed) }

// forget drops what a key asks for and has said that is no site's any more.
func (a *asks) forget(id peer.ID) {
	delete(a.lists, id)
	a.remove(func(k *ask) bool { return k.spec.By == id || id == a.env.Self })
	for _, k := range a.list {
		k.leave(id)
	}
	if id == a.env.Self {
		clear(a.lists)
	}
}

// follow tells the others what this site asks for, and asks this site what it makes of what others do.
func (a *asks) follow() {
	if !a.inForce() || a.env.observes() {
		return
	}
	a.declare()
	for _, k := range a.list {
		if k.spec.By == a.env.Self && k.tell() {
			a.env.Out.Publish(k.statement, 0, func(uint64) bool { return a.find(k.id) == k && a.inForce() })
		}
		if k.weigh() {
			a.env.Out.Start(Weigh{Run: k.id, Spec: k.spec, Unknown: k.statement.Unknown()})
		}
	}
}

// declare signs the list of the runs that this site asks for, if it asks for one that its newest list does not have.
func (a *asks) declare() {
	own, listed := a.own(), a.asksFor(a.env.Self)
	if slices.ContainsFunc(own, func(id block.CID) bool { return listed == nil || !slices.Contains(listed.Runs, id) }) {
		a.say(own)
	}
}

// say signs what this site asks for, all of it, and tells it to the others. What was opened of late stays in it, as far as there is
// room: to a site that does not know yet it would seem to be taken back.
func (a *asks) say(own []block.CID) {
	list := []block.CID{}
	if listed := a.asksFor(a.env.Self); listed != nil {
		for _, id := range listed.Runs {
			if a.env.Ledger.Run(id) != nil {
				list = append(list, id)
			}
		}
	}
	list = append(list[max(0, len(list)+len(own)-ledger.MaxAsked):], own...)
	s := a.env.Out.Sign(ledger.KindAsks, &ledger.Asks{Serial: a.serial(a.env.Self) + 1, Runs: list})
	a.env.Out.Save(s)
	a.noteList(s)
}

// noteList takes what a site asks for now, and drops what it asked for before; it reports whether that is news. What this site's
// operator has asked for since the start stays, whatever an older list of its own says that it has forgotten.
func (a *asks) noteList(s *ledger.Signed) bool {
	b, err := ledger.BodyOf[ledger.Asks](s, ledger.KindAsks)
	if err != nil || b.Serial <= a.serial(s.From) {
		return false
	}
	a.lists[s.From] = s
	a.remove(func(k *ask) bool { return k.spec.By == s.From && !k.wished && !slices.Contains(b.Runs, k.id) })
	if s.From == a.env.Self {
		a.env.Out.Publish(s, 0, func(uint64) bool { return a.lists[a.env.Self] == s && a.inForce() })
	}
	return true
}

// noteOpen takes the description of a run that a site asks for; it reports whether that is news. One that the newest list of the
// site does not have is an old one that somebody shows again, or comes before its list: it is said again then.
func (a *asks) noteOpen(s *ledger.Signed, spec *ledger.RunSpec) bool {
	listed := a.asksFor(s.From)
	switch {
	case listed == nil || !slices.Contains(listed.Runs, s.ID()) || a.find(s.ID()) != nil:
		return false
	case spec.By != s.From || spec.Validate(a.env.roster(), a.env.Ledger.Protocol(a.env.Ledger.Height()+1).Number) != nil:
		return false
	}
	a.add(s, spec)
	return true
}

// noteConsent takes a site's answer on a run that is asked for; it reports whether that is news.
func (a *asks) noteConsent(k *ask, s *ledger.Signed, b *ledger.Consent) bool {
	if !k.answer(s, b) {
		return false
	}
	delete(a.formed, k.id) // what is formed may bring what was taken back
	a.env.touch()
	if s.From == a.env.Self {
		k.weigh() // it needs no asking any more
		a.env.Out.Publish(s, 0, func(uint64) bool { return a.find(k.id) == k && k.consents[a.env.Self] == s && a.inForce() })
	}
	return true
}

// answer signs this site's answer on a run that is asked for, unless it has given it.
func (a *asks) answer(k *ask, e Considered) {
	own := k.consent(a.env.Self)
	if own != nil && own.Accept == e.Accept {
		return
	}
	body := &ledger.Consent{Run: k.id, Accept: e.Accept, Serial: k.serial(a.env.Self) + 1, Samples: e.Samples, Reason: e.Reason}
	if body.Check() != nil {
		body.Samples, body.Reason = 0, ""
	}
	s := a.env.Out.Sign(ledger.KindConsent, body)
	a.env.Out.Save(s)
	a.noteConsent(k, s, body)
}

// remember keeps an own answer of the log until the run that it is about is asked for again.
func (a *asks) remember(s *ledger.Signed) {
	a.said = append(a.said, s)
	if over := len(a.said) - maxSaid; over > 0 {
		a.said = slices.Delete(a.said, 0, over)
	}
}

// recall returns the answers of the log on a run, and forgets them.
func (a *asks) recall(run block.CID) (list []*ledger.Signed) {
	a.said = slices.DeleteFunc(a.said, func(s *ledger.Signed) bool {
		b, _ := ledger.BodyOf[ledger.Consent](s, ledger.KindConsent) // it was read when it came
		if b.Run == run {
			list = append(list, s)
		}
		return b.Run == run
	})
	return list
}

// wanted returns the entries that would open runs.
func (a *asks) wanted() (list []*ledger.Open) {
	for _, k := range a.list {
		switch {
		case !a.inForce():
			list = append(list, &ledger.Open{Spec: *k.statement})
		case !a.formed[k.id]:
			if takers := k.takers(a.env.roster()); len(takers) >= k.spec.Takers(a.env.roster()) {
				list = append(list, &ledger.Open{Spec: *k.statement, Consents: takers})
			}
		}
	}
	return list[:min(len(list), ledger.MaxRuns)]
}

// learned notes that a candidate would open a run: one set of consents is as good as another.
func (a *asks) learned(o *ledger.Open) {
	if a.standsBehind(o) {
		a.formed[o.About()] = true
	}
}

// standsBehind reports whether, as far as this site knows, its opener still asks for the run, and no consent that the entry brings
// was taken back.
func (a *asks) standsBehind(o *ledger.Open) bool {
	run := o.About()
	if listed := a.asksFor(o.Spec.From); listed != nil && !slices.Contains(listed.Runs, run) {
		return false
	}
	k := a.find(run)
	return k == nil || !slices.ContainsFunc(o.Consents, func(s ledger.Signed) bool {
		now := k.consent(s.From)
		return now != nil && !now.Accept
	})
}
