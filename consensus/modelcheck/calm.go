package modelcheck

import "fmt"

// calm is what follows a state when the liar is silent and everything arrives that a correct site
// has sent or received. Whoever waits lets its timeouts end the wait, as long as the views of the
// model last; then each site proposes in its turn, in time.
type calm struct {
	from *reading
	at   [correct]int               // the view that each site is in
	has  [3][correct][MaxViews]bool // who has voted in a step of a view
	liar [3][MaxViews]bool          // where a vote of the liar reaches everyone
}

// stuck says how correct sites cannot decide any more, or nothing.
func stuck(r *reading) string {
	if text := everyPlace(r, 0, [correct]int{}); text != "" {
		return text
	}
	return rejected(r)
}

// lost is stuck after every correct site has crashed and come back. What it had received is gone,
// but for the prevotes that are logged with its lock.
func lost(r *reading) string {
	s := r.State
	for site := range correct {
		s = s.withValid(site, s.lock(site))
	}
	after := r.model.read(s)
	c := calm{from: &after}
	for site := range correct {
		c.at[site] = after.view(site)
	}
	if text := c.unmoved(); text != "" {
		return text
	}
	return rejected(&after)
}

// everyPlace says how some sites cannot leave the views of the model, wherever each of them, from
// the given on, is by now: in the view where it spoke last, or in one that it entered silently.
func everyPlace(r *reading, site int, at [correct]int) string {
	if site == correct {
		c := calm{from: r, at: at}
		c.relay()
		return c.unmoved()
	}
	now := r.view(site)
	for view := now; view <= r.model.cfg.Views && (view == now || r.enters(site, view)); view++ {
		if r.behind(r.State, site, view) != r.State {
			break // it has not left
		}
		at[site] = view
		if text := everyPlace(r, site+1, at); text != "" {
			return text
		}
	}
	return ""
}

// relay adds the liar's votes that a correct site must have received to have come to where it is.
func (c *calm) relay() {
	for view := range c.from.model.cfg.Views {
		for site := range correct {
			if c.from.precommitted(site, view) != None || c.from.valid(site).view() == view {
				c.liar[stepPrevote][view] = true
			}
			if c.at[site] > view && c.from.precommits[view].cast() >= c.from.model.enough() {
				c.liar[stepPrecommit][view] = true
			}
		}
	}
}

// unmoved says which site cannot leave the views of the model.
func (c *calm) unmoved() string {
	from := c.at
	for view := range c.from.model.cfg.Views {
		for site := range correct {
			c.has[stepPrevote][site][view] = c.from.prevoted(site, view) != None
			c.has[stepPrecommit][site][view] = c.from.precommitted(site, view) != None
		}
	}
	for c.move() {
	}
	for site, view := range c.at {
		if view < c.from.model.cfg.Views {
			return fmt.Sprintf("%s cannot leave view %d; the correct sites being in views %v", c.from.model.name(site), view, from)
		}
	}
	return ""
}

// move lets each site do what it waits for; it reports whether there was anything.
func (c *calm) move() (moved bool) {
	for site := range correct {
		view := c.at[site]
		switch {
		case view == c.from.model.cfg.Views:
			continue
		case !c.has[stepPrevote][site][view]: // line 57
			c.has[stepPrevote][site][view] = true
		case !c.has[stepPrecommit][site][view] && c.quorate(stepPrevote, view): // line 61
			c.has[stepPrecommit][site][view] = true
		case c.quorate(stepPrecommit, view): // line 65
			c.leave(site, view+1)
		case c.others(site) > view: // line 55
			c.leave(site, c.others(site))
		default:
			continue
		}
		moved = true
	}
	return moved
}

func (c *calm) leave(site, to int) {
	for view := c.at[site]; view < to && c.from.model.cfg.VotesBehind; view++ {
		c.has[stepPrevote][site][view], c.has[stepPrecommit][site][view] = true, true
	}
	c.at[site] = to
}

// quorate tells whether a quorum's votes in a step of a view reach everyone.
func (c *calm) quorate(step step, view int) bool {
	votes := 0
	for site := range correct {
		if c.has[step][site][view] {
			votes++
		}
	}
	if c.liar[step][view] {
		votes++
	}
	return votes >= c.from.model.quorum()
}

// others returns the newest view that all other correct sites, f+1, have reached.
func (c *calm) others(site int) int {
	view := c.from.model.cfg.Views
	for other, at := range c.at {
		if other != site {
			view = min(view, at)
		}
	}
	return view
}

// rejected says that whoever proposes in later views, somebody does not prevote for it.
func rejected(r *reading) string {
	for proposer := range correct {
		if persuades(r, proposer) {
			return ""
		}
	}
	text := "whoever proposes, not all correct sites prevote for it"
	for site := range correct {
		if lock := r.lock(site); lock != 0 {
			text += fmt.Sprintf("; %s is locked on %s in view %d", r.model.name(site), lock.entry(), lock.view())
		}
	}
	return text
}

// persuades tells whether everyone prevotes for whatever a site may propose in its turn; then
// everyone precommits it, and it is decided.
func persuades(r *reading, proposer int) bool {
	for _, offer := range r.offers(proposer) {
		for site := range correct {
			if offer != 0 && !persuaded(r, site, offer) {
				return false
			}
		}
	}
	return true
}

func persuaded(r *reading, site int, p proposal) bool {
	ready := r.model.able(site, p.entry()) || r.lock(site).entry() == p.entry() || p.validView() >= 0
	return ready && free(r.lock(site), p.entry(), p.validView()) && counts(r, site, p)
}

// counts tells whether a site finds a quorum in the prevotes that a proposal brings. If it counts
// only the first of two votes of the liar, it does not where the liar's makes the quorum, unless it
// has used that before.
func counts(r *reading, site int, p proposal) bool {
	view := p.validView()
	if r.model.cfg.Flaw != FirstVoteCounts || view < 0 || int(r.prevotes[view][p.entry()]) >= r.model.quorum() {
		return true
	}
	mine := polkaFor(p.entry(), view)
	return r.lock(site) == mine || r.valid(site) == mine || r.precommitted(site, view) == p.entry()
}
