package runs

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
)

// note remembers a seal that was formed, so that it is not formed again at the same height.
func (f *formed) note(e *ledger.Entry) {
	if ledger.As[ledger.Seal](e) != nil {
		*f = formed{e.CID(), e.Height}
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
	for _, c := range p.offers.order {
		if u := c.best; u != nil {
			s.Updates = append(s.Updates, ledger.SealedUpdate{Update: *u.statement})
		}
	}
	for i, w := range p.Ledger.Weights(r, s) {
		s.Updates[i].Weight = w
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
		known := p.offers.of(u.From).find(u.Update().Opened, u.Update().Manifest)
		if known == nil || !known.held {
			g.Dropped = append(g.Dropped, u.From)
		}
	}
	if len(g.Dropped) == 0 {
		return nil
	}
	return g
}
