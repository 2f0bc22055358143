package modelcheck

import (
	"slices"

	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

// arrange makes an action happen at the machine; it reports whether it has. If the action is
// possible, it has to where all that it takes has been given.
func (m *mesh) arrange(a Action, possible bool) bool {
	s := m.site(a.Site)
	s.eager = possible || m.rng.IntN(2) == 0
	var must bool
	switch a.Kind {
	case Restart:
		s.restart()
		return true
	case Tear:
		return s.tear(a)
	case Propose:
		must = s.toPropose(a)
	case Prevote:
		must = s.toPrevote(a)
	case Abstain:
		must = s.toAbstain(a)
	case Precommit:
		must = s.toPrecommit(a)
	case Pass:
		must = s.toPass(a)
	case Learn:
		return s.toLearn(a)
	case Leave:
		s.enter(a.View + 1)
		return s.view > a.View
	}
	kind := map[Kind]ledger.Kind{Propose: consensus.KindProposal, Prevote: ledger.KindPrevote, Abstain: ledger.KindPrevote, Precommit: ledger.KindPrecommit, Pass: ledger.KindPrecommit}[a.Kind]
	stmt := s.said[place{kind, a.View}]
	if stmt == nil && possible && must && !s.over && s.view == a.View {
		m.fail("site %d does not do it", a.Site+1)
	}
	return stmt != nil && s.action(stmt).Entry == a.Entry
}

// quorum is enough votes for a machine.
func (s *site) quorum() int { return s.Ledger().Roster().Quorum() }

// others returns the other correct sites in some order.
func (s *site) others() []*site {
	var list []*site
	for _, o := range s.sites {
		if o != s {
			list = append(list, o)
		}
	}
	s.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// heard tells whether a site has a vote of another, the liar's if there is none.
func (s *site) heard(kind ledger.Kind, view int, from *site) bool {
	position := s.model.cfg.Liar
	if from != nil {
		position = from.position
	}
	return len(s.got[place{kind, view}][s.ids[position]]) > 0
}

// collect hands over votes of others until those for v are a quorum, the liar's last.
func (s *site) collect(kind ledger.Kind, view int, v Vote) (quorum bool) {
	for _, o := range s.others() {
		stmt := o.said[place{kind, view}]
		_, first, _ := s.tally(kind, view, v)
		if stmt != nil && s.action(stmt).Entry == v && first < s.quorum() {
			s.receive(stmt)
		}
	}
	if _, first, _ := s.tally(kind, view, v); first < s.quorum() && !s.heard(kind, view, nil) {
		s.receive(s.lieVote(kind, view, v))
	}
	_, first, _ := s.tally(kind, view, v)
	return first >= s.quorum()
}

// collectAny hands over votes until they are a quorum, of which no entry has all.
func (s *site) collectAny(kind ledger.Kind, view int) (quorum bool) {
	for _, o := range s.others() {
		all, _, _ := s.tally(kind, view, Nil)
		if stmt := o.said[place{kind, view}]; stmt != nil && all < s.quorum() && !s.heard(kind, view, o) {
			if _, same, _ := s.tally(kind, view, s.action(stmt).Entry); same+1 < s.quorum() || s.action(stmt).Entry == Nil {
				s.receive(stmt)
			}
		}
	}
	if all, _, _ := s.tally(kind, view, Nil); all < s.quorum() && !s.heard(kind, view, nil) {
		s.receive(s.lieVote(kind, view, Nil))
	}
	all, _, _ := s.tally(kind, view, Nil)
	return all >= s.quorum()
}

// enter brings a site to a view: by the votes that end the one before, or by f+1 sites' word.
func (s *site) enter(view int) bool {
	if s.over || s.view >= view {
		return s.view == view && !s.over
	}
	if s.rng.IntN(2) == 0 && s.skip(view) {
		return true
	}
	if s.enter(view - 1) {
		s.collectAny(ledger.KindPrecommit, view-1)
		if s.view < view {
			s.wait()
		}
	}
	return s.view == view && !s.over || s.skip(view)
}

func (s *site) skip(view int) bool {
	for _, o := range s.others() {
		for _, kind := range []ledger.Kind{ledger.KindPrevote, ledger.KindPrecommit, consensus.KindProposal} {
			stmt := o.said[place{kind, view}]
			if stmt == nil || s.over || s.view >= view {
				continue
			}
			s.receive(stmt)
			if lie := []ledger.Kind{ledger.KindPrevote, ledger.KindPrecommit}[s.rng.IntN(2)]; !s.liarAt(view) {
				s.receive(s.lieVote(lie, view, Nil))
			}
		}
	}
	return s.view == view && !s.over
}

// liarAt tells whether a site thinks the liar to be in a view or a later one.
func (s *site) liarAt(view int) bool {
	for at := range s.got {
		if at.view >= view && s.heard(at.kind, at.view, nil) {
			return true
		}
	}
	return false
}

// toPropose does what it can for an entry, but the machine may be ready for both: then it takes
// the one that it knows a quorum to be ready for, or the one with the lower CID.
func (s *site) toPropose(a Action) bool {
	if a.ValidView < 0 {
		s.hold(a.Entry)
		for _, stmt := range s.pool {
			if b, ok := open(s.t, stmt).(*consensus.Ready); ok && b.Entry == s.cid(a.Entry) {
				s.receive(stmt)
			}
		}
	}
	return s.enter(a.View)
}

func (s *site) toPrevote(a Action) bool {
	first := s.rng.IntN(2) == 0
	if !s.enter(a.View) {
		return false
	}
	if first {
		s.prepare(a.Entry)
	}
	if a.View != s.model.cfg.Liar {
		stmt := s.proposal(a.View)
		if stmt == nil {
			return false
		}
		s.receive(stmt)
	} else if s.offered[a.View] {
		return false // the liar has proposed something else here
	} else {
		s.receive(s.lieProposal(a.View, a.Entry, a.ValidView))
	}
	s.prepare(a.Entry)
	return true
}

// prepare makes a site ready, unless it is to be tempted unready.
func (s *site) prepare(v Vote) {
	if s.eager {
		s.hold(v)
	}
}

// proposal returns what a correct site has proposed in a view, if it has.
func (s *site) proposal(view int) *ledger.Signed {
	if o := s.site(view); o != nil {
		return o.said[place{consensus.KindProposal, view}]
	}
	return nil
}

// lieProposal is a proposal of the liar with all that there is of the polka that it claims. If its
// own vote does not complete it, it comes again, or any other prevote in its place.
func (s *site) lieProposal(view int, v Vote, validView int) *ledger.Signed {
	if validView >= view {
		return nil
	}
	p := &consensus.Proposal{Height: 1, View: uint64(view), ValidView: int64(validView), Entry: s.entries[v].Block().Data}
	for _, o := range s.sites {
		if stmt := o.said[place{ledger.KindPrevote, validView}]; stmt != nil && s.action(stmt).Entry == v {
			p.Polka = append(p.Polka, *stmt)
		}
	}
	mine := s.lieVote(ledger.KindPrevote, validView, v)
	for validView >= 0 && len(p.Polka) < s.quorum() {
		p.Polka = append(p.Polka, *mine)
		if i := s.rng.IntN(len(s.pool) + 1); i < len(s.pool) && s.pool[i].Kind == ledger.KindPrevote {
			mine = s.pool[i]
		}
	}
	return s.lie(consensus.KindProposal, p)
}

func (s *site) toAbstain(a Action) bool {
	if !s.enter(a.View) {
		return false
	}
	if s.refusable(a.View) {
		return true // at once
	}
	s.wait()
	return true
}

// refusable hands over a proposal that the site's lock forbids, if there is one.
func (s *site) refusable(view int) bool {
	lock := s.anyState().lock(s.index)
	if lock == 0 || s.offered[view] {
		return false
	}
	stmt := s.proposal(view)
	if view == s.model.cfg.Liar {
		stmt = s.lieProposal(view, A+B-lock.entry(), -1)
	}
	if stmt == nil {
		return false
	}
	a := s.action(stmt)
	if free(lock, a.Entry, a.ValidView) || a.ValidView >= 0 {
		return false
	}
	s.receive(stmt)
	return true
}

func (s *site) toPrecommit(a Action) bool {
	s.prepare(a.Entry)
	return s.view == a.View && s.collect(ledger.KindPrevote, a.View, a.Entry)
}

func (s *site) toPass(a Action) bool {
	must := s.view == a.View && s.collectAny(ledger.KindPrevote, a.View)
	s.wait()
	return must
}

// toLearn needs a site that cannot precommit; learn takes the rest.
func (s *site) toLearn(a Action) bool {
	if s.view != a.View || s.holds[a.Entry] && s.said[place{ledger.KindPrecommit, a.View}] == nil {
		return false
	}
	return s.collect(ledger.KindPrevote, a.View, a.Entry)
}

// restart is a crash and the return from the log. In the model nothing may have changed by it.
func (s *site) restart() {
	s.note("site %d: restarts", s.position+1)
	next := map[State]bool{}
	for state := range s.states {
		next[s.withoutMemory(state)] = true
	}
	s.states = next
	s.boot()
}

func (s *site) withoutMemory(state State) State {
	for a, next := range s.model.Next(state) {
		if a.Kind == Restart && a.Site == s.position {
			return next
		}
	}
	return state
}

// tear lets a site crash when its lock is on disk and its precommit is not.
func (s *site) tear(a Action) bool {
	if s.view != a.View || s.said[place{ledger.KindPrecommit, a.View}] != nil {
		return false
	}
	s.hold(a.Entry)
	s.cut = true
	s.collect(ledger.KindPrevote, a.View, a.Entry)
	torn := !s.cut
	s.cut = false
	return torn
}

// torn is a log that ends with a lock; it reports whether there is one.
func (s *site) torn(w round.Work) bool {
	end := slices.IndexFunc(w.Save, func(r round.Record) bool { return r.Lock != nil })
	if !s.cut || end < 0 {
		return false
	}
	s.cut = false
	for _, r := range w.Save[:end] {
		if r.Statement != nil {
			s.follow(r.Statement)
		}
	}
	s.log = append(s.log, w.Save[:end+1]...)
	s.note("site %d: restarts, with a lock", s.position+1)
	e, err := ledger.DecodeEntry(w.Save[end].Lock.Entry)
	if err != nil {
		s.t.Fatal(err)
	}
	v := s.vote(e.CID())
	s.take(func(a Action) bool {
		return a.Kind == Tear && a.Site == s.position && a.View == int(w.Save[end].Lock.View) && a.Entry == v
	})
	s.boot()
	return true
}
