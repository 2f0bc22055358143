package runs

import (
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// trained takes the end of a training: its update is durable and is announced, if it can still count.
func (p *state) trained(e Trained) {
	job := p.training.end(e.Opened)
	if job == nil {
		p.forget(e.Manifest)
		return
	}
	u := &ledger.Update{
		Run: e.Run, Round: e.Round, Opened: e.Opened, Attempt: e.Attempt, Base: job.Base,
		Manifest: e.Manifest, Samples: e.Samples, Metrics: e.Metrics, Lent: e.Lent && p.run.Terms.Cross != "",
	}
	if p.run.Bounded {
		u.Norm = ledger.NewNorm(e.Norm)
	}
	if p.run.Paced.RoundTime > 0 {
		if u.Steps = ledger.NewSteps(e.Steps); e.Steps == 0 {
			p.trainFailed(TrainFailed{Run: e.Run, Round: e.Round, Opened: e.Opened, Err: "the trainer has not said how many steps it trained, and the run has a round time"})
			p.forget(e.Manifest)
			return
		}
	}
	p.training.succeeded()
	p.touch()
	fill(p.env, u, e.Figures, &p.run.Terms)
	if err := u.Check(); err != nil {
		p.trainFailed(TrainFailed{Run: e.Run, Round: e.Round, Opened: e.Opened, Err: err.Error()})
		return
	}
	if _, err := p.Ledger.Staleness(p.run, p.Out.Sign(ledger.KindUpdate, u)); err != nil || !p.run.Active() {
		p.training.on(Refuse)
		p.forget(e.Manifest)
		return
	}
	p.training.on(Offer)
	s := p.Out.Sign(ledger.KindUpdate, u)
	p.Out.Save(s)
	if err := p.noteUpdate(s); err != nil {
		return
	}
	if own := p.offers.of(p.Self).find(u.Opened, u.Manifest); own != nil {
		p.hasUpdate(own)
	}
	p.Out.Trace(trace.Announced{Subject: trace.In(e.Run, e.Round), Update: e.Manifest})
}
