package runs

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// The last model of a run is measured once the run is over, as nobody trains from it any more. What the sites find goes into one
// entry of its own, for which nothing waits: it is formed when all are in that measured models before, or after a while.

var _ = handle(ledger.KindMeasured, kind{
	receive: func(r *Runs, s *ledger.Signed, body ledger.Body) error {
		r.of(body.(*ledger.LastMeasured).Run).closing.note(s)
		return nil
	},
	restore: func(r *Runs, s *ledger.Signed, body ledger.Body) error {
		if p := r.of(body.(*ledger.LastMeasured).Run); p != nil {
			p.closing.note(s)
			p.closing.publish(s)
		}
		return nil
	},
})

// Measured takes what this site's trainer found of the last model of a run.
func (r *Runs) Measured(e Measured) {
	if p := r.states[e.Run]; p != nil && !r.env.observes() {
		p.closing.state(e)
	}
}

// closing is what a site knows of the figures of a run's last model.
type closing struct {
	env *env
	run *ledger.Run

	said     map[peer.ID]*ledger.Signed
	expected map[peer.ID]bool // sites that measured models of the run before; nil: the run goes on
	wait     time.Duration    // how long the next of them is waited for
	due      time.Duration    // when those of them that say nothing are waited for no longer
	asked    bool             // this site's trainer was asked for its figures
	answered bool             // and has found some, or none
}

func newClosing(v *env, r *ledger.Run) closing {
	return closing{env: v, run: r, said: map[peer.ID]*ledger.Signed{}}
}

// note takes a site's figures, if it has said none before and they may still come into the ledger.
func (c *closing) note(s *ledger.Signed) {
	if c.said[s.From] != nil || !c.run.Active() && !c.run.Measurable() {
		return
	}
	c.said[s.From] = s
	if c.expected[s.From] {
		c.due = max(c.due, c.env.now()+c.wait)
	}
	c.env.touch()
}

// done drops what was said: the ledger has it, or never will.
func (c *closing) done() { clear(c.said) }

// forget drops what a key said that is no site's any more.
func (c *closing) forget(id peer.ID) { delete(c.said, id) }

// begin waits for the sites' figures from now on, as the run is over.
func (c *closing) begin() {
	if !c.run.Measurable() || c.expected != nil {
		return
	}
	expected, slowest := c.before()
	c.expected, c.wait = expected, max(c.env.Timing.Closing, 2*slowest*c.evaluations())
	c.due = c.env.now() + c.wait
	c.env.touch()
}

// ask has this site's trainer measure the last model, which is held.
func (c *closing) ask() {
	r := c.run
	last := uint64(len(r.Commits))
	if c.asked || !r.Measurable() || c.said[c.env.Self] != nil || !r.Terms.Measures(last, true) {
		return
	}
	c.asked = true
	c.env.Out.Start(Measure{Run: r.ID, Spec: r.Spec, Round: last, Model: r.Base, Updates: c.crossed()})
}

// evaluations returns how many a site does at the end: of the last model, and of the updates that are measured too.
func (c *closing) evaluations() time.Duration { return time.Duration(1 + len(c.run.Crossed())) }

// before returns the sites that measured models of the run, and how long the slowest of them took, leaving out as many as may lie.
func (c *closing) before() (sites map[peer.ID]bool, slowest time.Duration) {
	sites = map[peer.ID]bool{}
	longest := map[peer.ID]uint64{}
	for _, round := range c.run.Commits {
		for i := range round.Sealed.Updates {
			s := &round.Sealed.Updates[i].Update
			if m, err := s.Update().Figures.Read(); err == nil {
				sites[s.From] = true
				longest[s.From] = max(longest[s.From], m.Took)
			}
		}
	}
	var took []uint64
	for _, ms := range longest {
		took = append(took, ms)
	}
	slices.Sort(took)
	if at := len(took) - 1 - c.env.roster().F(); at >= 0 {
		slowest = time.Duration(min(took[at], uint64(maxEvaluation/time.Millisecond))) * time.Millisecond
	}
	return sites, slowest
}

// state signs what this site has measured, and tells it to the others.
func (c *closing) state(e Measured) {
	c.answered = true
	c.env.touch()
	if len(e.Figures.Metrics) == 0 || !c.run.Measurable() || c.said[c.env.Self] != nil {
		return
	}
	sign := func(f ledger.Figures, rows ledger.CrossRows) *ledger.Signed {
		return c.env.Out.Sign(ledger.KindMeasured, &ledger.LastMeasured{Run: e.Run, Model: e.Model, Figures: f, Cross: rows})
	}
	room := c.env.roster().UpdateBytes()
	fits := fit(e.Figures, &c.run.Terms, func(f ledger.Figures) bool { return sign(f, ledger.CrossRows{}).Size() <= room })
	figures := ledger.NewFigures(fits)
	rows := fitCross(e.Cross, &c.run.Terms, func(r ledger.CrossRows) bool { return sign(figures, r).Size() <= room })
	s := sign(figures, rows)
	if fits.Check() != nil || c.env.Ledger.CheckMeasured(c.run, s) != nil {
		c.env.Out.Trace(trace.MetricsDropped{Subject: trace.In(e.Run, uint64(len(c.run.Commits)))})
		return
	}
	c.env.Out.Save(s)
	c.note(s)
	c.publish(s)
}

// publish tells the others this site's figures until they are in the ledger.
func (c *closing) publish(s *ledger.Signed) {
	c.env.Out.Publish(s, 0, func(uint64) bool { return c.run.Measurable() })
}

// wanted returns the entry with the figures that are in, once it is time.
func (c *closing) wanted() *ledger.Closing {
	if !c.run.Measurable() || !c.time() {
		return nil
	}
	d := &ledger.Closing{Run: c.run.ID}
	for _, site := range c.env.roster().Sites() {
		if s := c.figures(site.ID); s != nil {
			d.Figures = append(d.Figures, *s)
		}
	}
	return d
}

// time reports whether all expected figures are in, or waited for long enough.
func (c *closing) time() bool {
	return c.overdue() || c.expected != nil && c.lists(func(id peer.ID) bool { return c.figures(id) != nil })
}

// overdue reports whether this site waits no longer. For its own trainer it waits longer than for others.
func (c *closing) overdue() bool {
	busy := c.asked && !c.answered && c.env.now() < c.due+c.evaluations()*maxEvaluation
	return c.expected != nil && c.env.now() >= c.due && !busy
}

// lists reports whether something has all whose figures are expected.
func (c *closing) lists(has func(peer.ID) bool) bool {
	for id := range c.expected {
		if c.counts(id) && !has(id) {
			return false
		}
	}
	return true
}

// counts reports whether what a site says is worth anything.
func (c *closing) counts(id peer.ID) bool {
	return c.env.roster().Has(id) && !c.env.Proofs.Accused(id)
}

// figures returns what a site says of the last model, if that may stand in the entry.
func (c *closing) figures(id peer.ID) *ledger.Signed {
	s := c.said[id]
	if s == nil || !c.counts(id) || c.env.Ledger.CheckMeasured(c.run, s) != nil {
		return nil
	}
	return s
}

// agrees reports whether an entry leaves out nothing that this site expects or would put into it, or this site waits no longer.
func (c *closing) agrees(d *ledger.Closing) bool {
	if c.overdue() {
		return true
	}
	in := func(id peer.ID) bool {
		return slices.ContainsFunc(d.Figures, func(s ledger.Signed) bool { return s.From == id })
	}
	for id := range c.said {
		if c.figures(id) != nil && !in(id) {
			return false
		}
	}
	return c.expected != nil && c.lists(in)
}

// deadline tells f when something falls due.
func (c *closing) deadline(f func(time.Duration)) {
	if c.expected != nil && c.run.Measurable() {
		f(c.due)
		f(c.due + c.evaluations()*maxEvaluation)
	}
}
