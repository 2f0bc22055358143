package runs

import "github.com/weft-mesh/weft/ledger"

var _ = handle(ledger.KindConsent, kind{
	receive: func(r *Runs, s *ledger.Signed, body ledger.Body) error {
		b := body.(*ledger.Consent)
		r.of(b.Run).noteConsent(s, b)
		return nil
	},
	restore: func(r *Runs, s *ledger.Signed, body ledger.Body) error {
		b := body.(*ledger.Consent)
		if p := r.of(b.Run); p != nil {
			p.noteConsent(s, b)
			p.asked()
			p.publishConsent(s, b)
		} else if k := r.asks.find(b.Run); k != nil {
			r.asks.noteConsent(k, s, b)
		} else {
			r.asks.remember(s)
		}
		return nil
	},
	asked: func(a *asks, s *ledger.Signed, body ledger.Body) bool {
		b := body.(*ledger.Consent)
		k := a.find(b.Run)
		return k != nil && a.noteConsent(k, s, b)
	},
	own: func(r *Runs, s *ledger.Signed, body ledger.Body) error {
		return r.recallConsent(s, body.(*ledger.Consent))
	},
})

// recallConsent takes an answer that this site has given and does not know of. If its operator has given another since, by the
// same serial, that one is given again by the next: the others keep the first of a serial.
func (r *Runs) recallConsent(s *ledger.Signed, b *ledger.Consent) error {
	p := r.of(b.Run)
	own := p.offers.of(p.Self)
	again := own.said() && b.Accept != own.accepts
	if own.serial() > b.Serial || own.serial() == b.Serial && own.said() && !again {
		return nil
	}
	if err := r.env.recall(s); err != nil {
		return err
	}
	again = again && own.serial() == b.Serial
	var since *ledger.Consent
	if again {
		since, _ = ledger.BodyOf[ledger.Consent](own.consent, ledger.KindConsent) // it was read when it came
		own.leave()
	}
	p.noteConsent(s, b)
	p.asked()
	p.publishConsent(s, b)
	if again {
		p.consider(Considered{b.Run, since.Accept, since.Samples, since.Reason})
	} else if !b.Accept {
		p.stopTraining()
	}
	return nil
}

// noteAnswer takes a consent that was given before the run was opened.
func noteAnswer(p *state, s *ledger.Signed) {
	b, _ := ledger.BodyOf[ledger.Consent](s, ledger.KindConsent) // it was read when it came
	p.noteConsent(s, b)
}

func (p *state) noteConsent(s *ledger.Signed, b *ledger.Consent) {
	if c := p.offers.of(s.From); c.answer(s, b) {
		p.Sites.Heard(s.From, p.now())
		p.recount(c)
	}
}

// Considered is the answer of this site's operator, or of its policy, on a run.
func (r *Runs) Considered(e Considered) {
	if r.env.observes() {
		return
	}
	if p := r.of(e.Run); p != nil {
		p.consider(e)
	} else if k := r.asks.find(e.Run); k != nil && r.asks.inForce() {
		r.asks.answer(k, e)
	}
}

func (p *state) consider(e Considered) {
	accept, own := e.Accept, p.offers.of(p.Self)
	if own.said() && own.accepts == accept {
		return
	}
	body := &ledger.Consent{Run: p.run.ID, Accept: accept, Serial: own.serial() + 1, Samples: e.Samples, Reason: e.Reason}
	if body.Check() != nil {
		body.Samples, body.Reason = 0, ""
	}
	s := p.Out.Sign(ledger.KindConsent, body)
	p.noteConsent(s, body)
	p.Out.Save(s)
	p.publishConsent(s, body)
	p.touch()
	p.unsought = true
	if !accept {
		p.stopTraining()
		if p.run.Asked && p.run.Round == 1 {
			p.models.abandon(p.run, p.constants)
		}
	}
}

// publishConsent tells this site's answer on a run to the others. Heads show who lacks it, but not who
// knows an older one only: a changed answer is sent again as long as the run lasts.
func (p *state) publishConsent(s *ledger.Signed, b *ledger.Consent) {
	most := uint64(4)
	if b.Serial > 1 {
		most = 0
	}
	p.Out.Publish(s, most, func(uint64) bool { return p.run.Active() && p.offers.of(p.Self).consent == s })
}
