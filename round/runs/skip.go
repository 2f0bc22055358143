package runs

import (
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// When a site that has skipped a round is asked again, as too few updates are in.
const (
	skipPatience = 10 * time.Minute // after the opening, though others that can be reached may yet offer one: they may never
	maxSkip      = time.Hour        // from one time to the next, at most
)

var _ = handle(ledger.KindSkip, kind{
	receive: func(r *Runs, s *ledger.Signed, body ledger.Body) error {
		r.noteSkip(s, body.(*ledger.Skip))
		return nil
	},
	restore: func(r *Runs, s *ledger.Signed, body ledger.Body) error {
		r.noteSkip(s, body.(*ledger.Skip))
		return nil
	},
})

// noteSkip takes a site's word that it offers nothing for the opening; a word about another opening says nothing any more. One's
// own is told to the others for as long as the opening lasts: it is in no entry, and heads do not show who lacks it.
func (r *Runs) noteSkip(s *ledger.Signed, b *ledger.Skip) {
	p := r.of(b.Run)
	if p == nil || !p.run.Active() || b.Round != p.run.Round || b.Opened != p.run.Opened {
		return
	}
	c := p.offers.of(s.From)
	if c.skips(b.Opened) {
		return
	}
	c.skip(b)
	p.Sites.Heard(s.From, p.now())
	p.recount(c)
	p.Out.Trace(trace.Skipped{Subject: trace.In(b.Run, b.Round).Of(s.From), Why: b.Reason})
	if s.From == p.Self {
		p.Out.Publish(s, 0, func(uint64) bool { return p.run.Active() && p.run.Opened == b.Opened })
	}
}

// Skipped takes the end of a training that offers nothing: this site says so. The trainer is asked once more if too few updates
// are in, after as long again as the round has been open, and nobody else can be expected to offer one: there may be something to
// train on by then.
func (r *Runs) Skipped(e Skipped) {
	p := r.states[e.Run]
	if p == nil || p.training.end(e.Opened) == nil {
		return
	}
	p.touch()
	if e.Opened != p.run.Opened || !p.run.Active() {
		p.training.on(Refuse)
		return
	}
	body := &ledger.Skip{Run: e.Run, Round: e.Round, Opened: e.Opened, Reason: e.Reason}
	if err := body.Check(); err != nil {
		p.trainFailed(TrainFailed{Run: e.Run, Round: e.Round, Opened: e.Opened, Err: err.Error()})
		return
	}
	p.training.wait(p.now() + min(max(p.now()-p.pace.openedAt[e.Opened], p.Timing.Deadline), maxSkip))
	if self := p.offers.of(p.Self); self.skips(e.Opened) || self.offer(e.Opened) != nil {
		return // said before, or there is an update from an earlier attempt
	}
	s := p.Out.Sign(ledger.KindSkip, body)
	p.Out.Save(s)
	r.noteSkip(s, body)
}
