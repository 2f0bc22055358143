package sim

import (
	"slices"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/trace"
)

const (
	approveSpread = 10 * time.Second // within which the operators say yes
	approveAgain  = 20 * time.Second // until one looks again whether it has come to be
	partDelay     = 3 * time.Second  // for which a site that was removed is still heard, so that it is told
)

// intent is a change of the roster that the operators want: one goes, one comes, or one comes in another's place.
type intent struct {
	w       *World
	out, in *site          // nil: none
	few     bool           // too few want it
	waver   bool           // each operator takes its first approval back
	wavered map[*site]bool // who has
}

// want has the operators approve of a change, each in its own time and again if another change came between; or so
// few of them that it must not come about.
func (w *World) want(h *intent) {
	h.w, h.wavered = w, map[*site]bool{}
	w.intents = append(w.intents, h)
	for _, s := range w.sites {
		w.after(time.Duration(w.rng.Int64N(int64(approveSpread))), func() { h.consider(s) })
	}
}

// consider lets a site's operator approve, unless the intent is fulfilled there.
func (h *intent) consider(s *site) {
	if s.up {
		l := s.machine.Ledger()
		if h.fulfilled(l) {
			return
		}
		if l.Roster().Has(s.id) && (!h.few || h.amongFew(s, l.Roster())) {
			s.approve(h.change(l))
			if h.waver && !h.wavered[s] {
				h.wavered[s] = true
				c := h.change(l)
				h.w.after(time.Duration(h.w.rng.Int64N(int64(approveAgain))), func() { s.takeBack(c) })
			}
		}
	}
	h.w.after(approveAgain, func() { h.consider(s) })
}

// amongFew reports whether a site is one of those who want what too few do: with all liars they are no quorum.
func (h *intent) amongFew(s *site, r *ledger.Roster) bool {
	left := r.Quorum() - 1
	for _, o := range h.w.sites {
		if r.Has(o.id) && o.liar != nil {
			left--
		}
	}
	for _, o := range h.w.sites {
		if r.Has(o.id) && o.liar == nil && left > 0 {
			left--
			if o == s {
				return true
			}
		}
	}
	return false
}

// approve is the operator's yes.
func (s *site) approve(c *ledger.Change) {
	s.wants[c.ID()] = true
	s.happen(round.Approve{Change: c})
}

// takeBack is the operator's second thought, if the change is not decided yet.
func (s *site) takeBack(c *ledger.Change) {
	if s.up && s.machine.CheckTakeBack(c) == nil {
		s.happen(round.TakeBack{Change: c})
	}
}

func (h *intent) fulfilled(l *ledger.Ledger) bool {
	return (h.out == nil || !l.Roster().Has(h.out.id)) && (h.in == nil || l.Roster().Has(h.in.id))
}

// hopeless reports whether it depends on a liar, or too few want it.
func (h *intent) hopeless() bool { return h.few || h.in != nil && h.in.liar != nil }

// change is the intent as a change to the roster that is in force.
func (h *intent) change(l *ledger.Ledger) *ledger.Change {
	c := &ledger.Change{Version: l.Roster().Version()}
	if h.out != nil {
		c.Remove = &ledger.Site{ID: h.out.id, Name: l.Name(h.out.id)}
	}
	if h.in != nil {
		c.Add = &ledger.Site{ID: h.in.id, Name: h.in.Name}
		if h.out != nil {
			c.Add.Name = c.Remove.Name
		}
	}
	return c
}

// newest returns the longest ledger of an honest site.
func (w *World) newest() (l *ledger.Ledger) {
	for _, s := range w.sites {
		if s.machine != nil && s.liar == nil && (l == nil || s.machine.Ledger().Height() > l.Height()) {
			l = s.machine.Ledger()
		}
	}
	return l
}

// Fulfilled reports whether the roster is what the operators want, as far as it does not take a liar.
func (w *World) Fulfilled() bool {
	newest := w.newest()
	return !slices.ContainsFunc(w.intents, func(h *intent) bool { return !h.hopeless() && (newest == nil || !h.fulfilled(newest)) })
}

// Sits reports whether a site is in the roster of the longest ledger of an honest site.
func (w *World) Sits(site int) bool {
	newest := w.newest()
	return newest != nil && newest.Roster().Has(w.sites[site].id)
}

// moved looks at a line of a site's trace after which it may be connected with others than before.
func (w *World) moved(s *site, t trace.Event) {
	switch t.(type) {
	case trace.RosterChanged, trace.Observes, trace.Admitted, trace.Approved, trace.ApprovalDropped, trace.ApprovalWithdrawn:
		w.net.relink(s)
	}
}

// relink connects a site with those that let each other in now, and parts it from those that no longer do.
func (t *network) relink(s *site) {
	for _, o := range t.w.sites {
		if o == s || !s.up || !o.up {
			continue
		}
		joined, linked := t.joined[s.i*t.n+o.i], t.linked(s, o)
		switch {
		case linked && !joined:
			t.dial(s, o)
		case !linked && joined:
			t.w.after(partDelay, func() {
				if t.joined[s.i*t.n+o.i] && !t.linked(s, o) {
					t.part(s, o, t.paths[s.i*t.n+o.i].Latency)
				}
			})
		}
	}
}

// linked reports whether the nodes of two sites let each other in.
func (t *network) linked(a, b *site) bool { return a.admits(b) && b.admits(a) }

// admits reports whether a site's node lets another in: a site of its roster, who is to become one, and who was
// removed and does not know. Who is no site itself trusts whom its operator has named, which may be anybody new to it.
func (s *site) admits(o *site) bool {
	l := s.machine.Ledger()
	switch {
	case l.Roster().Has(o.id), slices.Contains(s.machine.Observers(), o.id):
		return true
	case l.HasBeen(o.id):
		return o.liar != nil || o.machine.Ledger().Roster().Has(o.id) // a liar says that it does not know
	}
	return !l.Roster().Has(s.id)
}
