package runs

import "github.com/weft-mesh/weft/ledger"

// Wanted returns what this site would have decided now. Each wish becomes an entry by enter, which
// returns nil for one that may not follow the head.
func (r *Runs) Wanted(enter func(ledger.Decision) *ledger.Entry) []*ledger.Entry {
	var list []*ledger.Entry
	add := func(d ledger.Decision) {
		if e := enter(d); e != nil {
			list = append(list, e)
		}
	}
	for _, o := range r.asks.wanted() {
		add(o)
	}
	for _, run := range r.env.Ledger.Runs() {
		p := r.states[run.ID]
		if !run.Active() {
			if p != nil && p.accepted() {
				if c := p.closing.wanted(); c != nil {
					add(c)
				}
			}
			continue
		}
		if c := r.wantedClose(run); c != nil {
			add(c)
		}
		if p == nil || !p.accepted() {
			continue
		}
		d := p.wanted()
		if d == nil {
			continue
		}
		if e := enter(d); e != nil {
			p.formed.note(e)
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
	if c := p.commit(latest); c != nil {
		return c
	}
	if g := p.ground(); g != nil {
		return p.next(g)
	}
	return nil
}
