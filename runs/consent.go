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
		}
		return nil
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
	accept, again := own.accepts, own.said() && b.Accept != own.accepts
	if own.serial() > b.Serial || own.serial() == b.Serial && own.said() && !again {
		return nil
	}
	if err := r.recall(s); err != nil {
		return err
	}
	again = again && own.serial() == b.Serial
	if again {
		own.leave()
	}
	p.noteConsent(s, b)
	p.asked()
	p.publishConsent(s, b)
	if again {
		p.consider(accept)
	} else if !b.Accept {
		p.stopTraining()
	}
	return nil
}

func (p *state) noteConsent(s *ledger.Signed, b *ledger.Consent) {
	if c := p.offers.of(s.From); c.answer(s, b) {
		p.recount(c)
	}
}

// Considered is the answer of this site's operator, or of its policy, on a run.
func (r *Runs) Considered(e Considered) {
	if p := r.of(e.Run); p != nil && !r.env.observes() {
		p.consider(e.Accept)
	}
}

func (p *state) consider(accept bool) {
	own := p.offers.of(p.Self)
	if own.said() && own.accepts == accept {
		return
	}
	body := &ledger.Consent{Run: p.run.ID, Accept: accept, Serial: own.serial() + 1}
	s := p.Out.Sign(ledger.KindConsent, body)
	p.noteConsent(s, body)
	p.Out.Save(s)
	p.publishConsent(s, body)
	p.touch()
	p.unsought = true
	if !accept {
		p.stopTraining()
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
