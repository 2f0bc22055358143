package runs

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
)

// Wanted returns what this site would have decided now. Each wish becomes an entry by enter, which
// returns nil for one that may not follow the head.
func (r *Runs) Wanted(enter func(ledger.Decision) *ledger.Entry) []*ledger.Entry {
	var list []*ledger.Entry
	add := func(d ledger.Decision) {
		if e := enter(d); e != nil {
			list = append(list, e)
		}
	}
	for _, s := range r.asked {
		add(&ledger.Open{Spec: *s})
	}
	for _, run := range r.env.Ledger.Runs() {
		if !run.Active() {
			continue
		}
		if c := r.wantedClose(run); c != nil {
			add(c)
		}
		p := r.states[run.ID]
		if p == nil || !p.accepted() {
			continue
		}
		d := p.wanted()
		if d == nil {
			continue
		}
		if e := enter(d); e != nil {
			p.form(e)
			list = append(list, e)
		}
	}
	return list
}

// wanted returns what this site would have decided about the open round, or nil.
func (p *state) wanted() ledger.Decision {
	r := p.run
	latest := r.Latest()
	if latest == nil {
		if s := p.firstSeal(); s != nil {
			return s
		}
		return nil
	}
	if model := p.computed.models[latest.CID]; model.Defined() {
		return &ledger.Commit{Run: r.ID, Round: r.Round, Seal: latest.CID, Model: model}
	}
	if g := p.ground(); g != nil {
		return p.next(g)
	}
	return nil
}

// form remembers a seal that was formed, so that it is not formed again at the same height.
func (p *state) form(e *ledger.Entry) {
	if ledger.As[ledger.Seal](e) != nil {
		p.formed = formed{e.CID(), e.Height}
	}
}

// firstSeal returns the first seal of a round with all updates that this site holds, once nobody
// is awaited any more; nil also if it has formed that seal before.
func (p *state) firstSeal() *ledger.Seal {
	r := p.run
	if p.formed.seal.Defined() && p.formed.height == p.Ledger.Height()+1 || !p.sealTime() {
		return nil
	}
	s := &ledger.Seal{Run: r.ID, Round: r.Round, Opened: r.Opened}
	for _, c := range p.order {
		if u := c.best; u != nil {
			s.Updates = append(s.Updates, ledger.SealedUpdate{Update: *u.statement, Weight: r.Spec.Weight(u.Samples, r.Round-u.Round)})
		}
	}
	return s
}

// next returns what follows a seal that cannot be committed: the seal without what is to be
// dropped, or if too little remains the round's void.
func (p *state) next(g *ledger.Ground) ledger.Decision {
	r := p.run
	latest := r.Latest()
	rest, err := p.Ledger.Remaining(r, g)
	if err != nil || len(rest) < r.Spec.Needed(p.roster()) {
		return &ledger.Void{Run: r.ID, Round: r.Round, Seal: latest.CID, Ground: *g}
	}
	return &ledger.Seal{Run: r.ID, Round: r.Round, Opened: r.Opened, Number: latest.Number + 1, Ground: g, Updates: rest}
}

// ground returns why the latest seal cannot be committed, as far as this site knows.
func (p *state) ground() *ledger.Ground {
	latest := p.run.Latest()
	if bad := p.computed.bad[latest.CID]; bad != nil {
		return &ledger.Ground{Kind: ledger.Invalid, Dropped: []peer.ID{bad.Site}, Shard: bad.Shard}
	}
	if p.now() < p.sealedAt+p.Timing.Unavailable {
		return nil
	}
	g := &ledger.Ground{Kind: ledger.Unavailable}
	for i := range latest.Updates {
		u := &latest.Updates[i].Update
		known := p.contributor(u.From).find(u.Update().Opened, u.Update().Manifest)
		if known == nil || !known.held {
			g.Dropped = append(g.Dropped, u.From)
		}
	}
	if len(g.Dropped) == 0 {
		return nil
	}
	return g
}
