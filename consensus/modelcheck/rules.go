package modelcheck

// reading is a state as the rules look at it. Sites are counted among the correct ones here.
type reading struct {
	model *Model
	State
	prevotes, precommits [MaxViews]count
}

// count tells how many correct sites have cast each vote.
type count [4]uint8

// cast returns how many correct sites have voted at all.
func (c *count) cast() int { return correct - int(c[None]) }

func (m *Model) read(s State) (r reading) {
	r.model, r.State = m, s
	for view := range m.cfg.Views {
		for site := range correct {
			r.prevotes[view][s.prevoted(site, view)]++
			r.precommits[view][s.precommitted(site, view)]++
		}
	}
	return r
}

// actions calls yield with every action that a correct site can take, and what comes of it.
func (r *reading) actions(yield func(Action, State)) {
	for site := range correct {
		now := r.view(site)
		for view := now; view < r.model.cfg.Views && (view == now || r.enters(site, view)); view++ {
			act := func(a Action, next State) { yield(a, r.behind(next, site, view)) }
			r.propose(site, view, act)
			r.prevote(site, view, act)
			r.precommit(site, view, act)
			r.learn(site, view, act)
		}
		r.leave(site, now, yield)
		r.restart(site, now, yield)
	}
}

// behind adds to what follows the votes for nil with which a site has left the views before one.
func (r *reading) behind(next State, site, view int) State {
	if !r.model.cfg.VotesBehind {
		return next
	}
	for v := range view {
		if next.prevoted(site, v) == None {
			next = next.withPrevote(site, v, Nil)
		}
		if next.precommitted(site, v) == None {
			next = next.withPrecommit(site, v, Nil)
		}
	}
	return next
}

// leave is the way out of a view, and of those that it passes over, for a site that votes behind: others
// notice it at once.
func (r *reading) leave(site, view int, yield func(Action, State)) {
	for ; view < r.model.cfg.Views && r.enters(site, view+1); view++ {
		if next := r.behind(r.State, site, view+1); next != r.State {
			yield(r.action(Leave, site, view, Nil, -1), next)
		}
	}
}

// view returns the newest view in which a site has spoken, which stands for the one it is in.
func (r *reading) view(site int) int {
	view := max(r.newestVote(site), r.valid(site).view())
	if p := r.model.positions[site]; p > view && p < r.model.cfg.Views && r.proposed(p) != 0 {
		view = p
	}
	return view
}

type step uint8

const (
	stepPropose step = iota
	stepPrevote
	stepPrecommit
)

// step returns how far a site has come in a view. Who knows a polka of the view has prevoted there,
// if only for nil.
func (r *reading) step(site, view int) step {
	switch {
	case r.precommitted(site, view) != None:
		return stepPrecommit
	case r.prevoted(site, view) != None || r.valid(site).view() >= view:
		return stepPrevote
	default:
		return stepPropose
	}
}

// enters tells whether a site can come to a later view: a quorum has precommitted in the view
// before, and the timeout ends the wait (line 65); or f+1 sites are there or further, the liar
// perhaps being one (line 55).
func (r *reading) enters(site, view int) bool {
	if r.model.cfg.Untimed || r.precommits[view-1].cast() >= r.model.enough() {
		return true
	}
	for other := range correct {
		if other != site && r.view(other) >= view {
			return true
		}
	}
	return false
}

// propose is line 14: the view's proposer offers the entry that it knows a polka for, or else any
// that it is ready for, or that a quorum says it is ready for.
func (r *reading) propose(site, view int, yield func(Action, State)) {
	if r.model.positions[site] != view || r.proposed(view) != 0 || r.step(site, view) != stepPropose {
		return
	}
	for _, offer := range r.offers(site) {
		if offer != 0 {
			yield(r.action(Propose, site, view, offer.entry(), offer.validView()), r.withProposal(view, offer))
		}
	}
}

// offers returns what a site may propose.
func (r *reading) offers(site int) (list [len(entries)]proposal) {
	if valid := r.valid(site); valid != 0 {
		return [len(entries)]proposal{proposalOf(valid.entry(), valid.view())}
	}
	for i, entry := range entries {
		if r.model.able(site, entry) || r.model.ableSites(entry) >= r.model.enough() {
			list[i] = proposalOf(entry, -1)
		}
	}
	return list
}

// prevote is lines 22, 28 and 57. A prevote for nil needs no look at the lock: the propose timeout
// may end the wait at any moment.
func (r *reading) prevote(site, view int, yield func(Action, State)) {
	if r.step(site, view) != stepPropose && r.model.cfg.Flaw != VoteTwice {
		return
	}
	for _, entry := range entries {
		if validView, ok := r.acceptable(site, view, entry); ok {
			yield(r.action(Prevote, site, view, entry, validView), r.withPrevote(site, view, entry))
		}
	}
	if !r.model.cfg.Untimed {
		yield(r.action(Abstain, site, view, Nil, -1), r.withPrevote(site, view, Nil))
	}
}

// acceptable tells whether an entry is proposed in a view in a way that lets a site prevote for it,
// and the proposal's valid view. A lying proposer has made every proposal, to each site another.
func (r *reading) acceptable(site, view int, entry Vote) (validView int, ok bool) {
	if view != r.model.cfg.Liar {
		p := r.proposed(view)
		return p.validView(), p.entry() == entry && r.accepts(site, entry, p.validView())
	}
	for validView := -1; validView < view; validView++ {
		if r.accepts(site, entry, validView) {
			return validView, true
		}
	}
	return -1, false
}

// accepts is the condition of lines 22 and 28, and readiness, for which a proven polka vouches.
func (r *reading) accepts(site int, entry Vote, validView int) bool {
	if validView >= 0 && !r.polka(entry, validView) && r.model.cfg.Flaw != TrustPolka {
		return false
	}
	if validView < 0 && !r.ready(site, entry) {
		return false
	}
	return free(r.lock(site), entry, validView) || r.model.cfg.Flaw == IgnoreLock
}

// free tells whether a lock allows a prevote for what is proposed.
func free(lock polka, entry Vote, validView int) bool {
	return lock == 0 || lock.entry() == entry || validView >= lock.view()
}

// polka tells whether the prevotes for an entry can be a quorum.
func (r *reading) polka(entry Vote, view int) bool {
	return int(r.prevotes[view][entry]) >= r.model.enough()
}

// precommit is lines 36, 44 and 61. The polka vouches for readiness.
func (r *reading) precommit(site, view int, yield func(Action, State)) {
	if !r.hasPrevoted(site, view) || r.step(site, view) == stepPrecommit && r.model.cfg.Flaw != VoteTwice {
		return
	}
	for _, entry := range entries {
		if !r.mayLock(entry, view) {
			continue
		}
		p := polkaFor(entry, view)
		locked := r.withLock(site, p).withValid(site, p)
		yield(r.action(Precommit, site, view, entry, -1), locked.withPrecommit(site, view, entry))
		if r.model.cfg.Crashes && r.model.cfg.Flaw != ForgetLock {
			yield(r.action(Tear, site, view, entry, -1), locked)
		}
	}
	if !r.model.cfg.Untimed && r.prevotes[view].cast() >= r.model.enough() {
		yield(r.action(Pass, site, view, Nil, -1), r.withPrecommit(site, view, Nil))
	}
}

// hasPrevoted tells whether a site has prevoted in a view, for nil if nothing shows it.
func (r *reading) hasPrevoted(site, view int) bool {
	return r.step(site, view) >= stepPrevote || r.model.cfg.Untimed
}

func (r *reading) mayLock(entry Vote, view int) bool {
	if r.model.cfg.Flaw == PrecommitAtOnce {
		return view == r.model.cfg.Liar || r.proposed(view).entry() == entry
	}
	return r.polka(entry, view)
}

// learn is lines 42 and 43 alone: who has prevoted remembers a polka of its view.
func (r *reading) learn(site, view int, yield func(Action, State)) {
	if !r.hasPrevoted(site, view) || r.valid(site).view() >= view {
		return
	}
	for _, entry := range entries {
		if r.polka(entry, view) {
			yield(r.action(Learn, site, view, entry, -1), r.withValid(site, polkaFor(entry, view)))
		}
	}
}

// restart is a crash and the return from the log, which has the votes and the lock, but no newer
// polka. What was logged and not sent is sent then, so that is nothing new.
func (r *reading) restart(site, view int, yield func(Action, State)) {
	if !r.model.cfg.Crashes {
		return
	}
	lock := r.lock(site)
	if r.model.cfg.Flaw == ForgetLock {
		lock = 0
	}
	if next := r.withLock(site, lock).withValid(site, lock); next != r.State {
		yield(r.action(Restart, site, view, None, -1), next)
	}
}

// ready tells whether a site can be ready for an entry by now, without a polka's vouching.
func (r *reading) ready(site int, entry Vote) bool {
	return r.model.able(site, entry) || r.model.cfg.Flaw == VoteUnready
}

func (r *reading) action(kind Kind, site, view int, entry Vote, validView int) Action {
	return Action{kind, r.model.positions[site], view, entry, validView}
}
