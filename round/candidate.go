package round

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

const (
	tellAtOnce = 64 << 10              // bytes that all sites together may take to tell an entry without waiting for each other
	tellSlot   = 50 * time.Millisecond // between two sites that would tell the same
)

// refresh forms the entries that this site would have decided, and tells the others for which
// candidates it has become ready. It does nothing unless something has changed.
func (m *Machine) refresh() {
	if m.now >= m.due {
		m.dirty = true
	}
	if !m.dirty {
		return
	}
	m.dirty = false
	defer m.findDue()
	m.followRuns()
	m.joinAgain()
	if m.observes() {
		return
	}
	for _, e := range m.form() {
		if c := m.height.candidate(e.CID()); c.entry == nil {
			m.know(c, e)
			c.formed = true
		}
		if s := ledger.As[ledger.Seal](e); s != nil {
			m.parts[s.Run].formed = e.CID()
		}
	}
	for _, id := range m.height.order() {
		c := m.height.candidates[id]
		if c.entry == nil || c.ready[m.self] || !m.holds(c.entry) || !m.agrees(c.entry) {
			continue
		}
		m.sayReady(id, c)
	}
}

// sayReady tells the others that this site is ready for a candidate. It stays so until the height ends:
// what it holds is pinned, and the others count on it.
func (m *Machine) sayReady(id block.CID, c *candidate) {
	c.ready[m.self] = true
	r := &ledger.Ready{Height: m.height.number, Entry: id}
	if c.formed { // the others may not know it yet
		if data := c.entry.Block().Data; len(data)*m.roster.Len() <= tellAtOnce {
			r.Data = data
		} else {
			c.tellAt = m.now + m.turn()
			m.height.tellAt = min(m.height.tellAt, c.tellAt)
		}
	}
	m.publish(m.sign(ledger.KindReady, r), 0)
	m.trace(Trace{Event: "ready", Height: m.height.number, Run: c.entry.Run(), Kind: c.entry.Kind(), Entry: id, Text: c.entry.String()})
	m.openIfReady(c)
}

// turn returns how long this site waits before it tells a large entry: as all that mean it form it, one
// is enough, the view's proposer first.
func (m *Machine) turn() time.Duration {
	n := m.roster.Len()
	first, _ := m.roster.Index(m.roster.Proposer(m.height.parent, m.height.view))
	own, _ := m.roster.Index(m.self)
	return tellSlot * time.Duration((own+n-first)%n)
}

// tellLarge tells the entries whose turn has come, unless a quorum has shown that it knows them.
func (m *Machine) tellLarge() {
	h := m.height
	if m.now < h.tellAt {
		return
	}
	h.tellAt = never
	for _, id := range h.order() {
		c := h.candidates[id]
		switch {
		case c.tellAt == 0 || len(c.ready) >= m.roster.Quorum():
			c.tellAt = 0
		case c.tellAt <= m.now:
			c.tellAt = 0
			m.publish(m.sign(ledger.KindReady, &ledger.Ready{Height: h.number, Entry: id, Data: c.entry.Block().Data}), 0)
		default:
			h.tellAt = min(h.tellAt, c.tellAt)
		}
	}
}

// order returns the candidates' CIDs in order.
func (h *height) order() []block.CID {
	ids := make([]block.CID, 0, len(h.candidates))
	for id := range h.candidates {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, block.CID.Compare)
	return ids
}

// form returns the entries that this site would have decided now.
func (m *Machine) form() []*ledger.Entry {
	var list []*ledger.Entry
	add := func(e *ledger.Entry) {
		e.Mesh, e.Height, e.Parent = m.ledger.Mesh(), m.height.number, m.height.parent
		if m.ledger.Check(e) == nil {
			list = append(list, e)
		}
	}
	for _, e := range m.formChanges() {
		add(e)
	}
	for _, s := range m.asked {
		add(&ledger.Entry{Body: &ledger.Open{Spec: *s}})
	}
	for _, r := range m.ledger.Runs() {
		if !r.Active() {
			continue
		}
		if c := m.formClose(r); c != nil {
			add(&ledger.Entry{Body: c})
		}
		p := m.parts[r.ID]
		if p == nil || !p.accepted() {
			continue
		}
		latest := r.Latest()
		if latest == nil {
			if s := m.formSeal(p, r); s != nil {
				add(&ledger.Entry{Body: s})
			}
			continue
		}
		if model := p.models[latest.CID]; model.Defined() {
			add(&ledger.Entry{Body: &ledger.Commit{Run: r.ID, Round: r.Round, Seal: latest.CID, Model: model}})
		} else if g := m.ground(p, r); g != nil {
			add(m.formNext(r, g))
		}
	}
	return list
}

// formClose returns the end of a run if enough sites ask for it.
func (m *Machine) formClose(r *ledger.Run) *ledger.Close {
	stops := m.stops[r.ID]
	if len(stops) == 0 || stops[m.ledger.Heir(r.Spec.By)] == nil && len(stops) <= m.roster.F() {
		return nil
	}
	c := &ledger.Close{Run: r.ID}
	for _, site := range m.roster.Sites() {
		if s := stops[site.ID]; s != nil {
			c.Stops = append(c.Stops, *s)
		}
	}
	return c
}

// formSeal returns the first seal of a round with all updates that this site holds, once nobody
// is awaited any more; nil also if it has formed that seal before.
func (m *Machine) formSeal(p *part, r *ledger.Run) *ledger.Seal {
	if p.formed.Defined() && m.height.candidates[p.formed] != nil || !m.sealTime(p) {
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

// formNext returns what follows a seal that cannot be committed: the seal without what is to be
// dropped, or if too little remains the round's void.
func (m *Machine) formNext(r *ledger.Run, g *ledger.Ground) *ledger.Entry {
	latest := r.Latest()
	rest, err := m.ledger.Remaining(r, g)
	if err != nil || len(rest) < r.Spec.Needed(m.roster) {
		return &ledger.Entry{Body: &ledger.Void{Run: r.ID, Round: r.Round, Seal: latest.CID, Ground: *g}}
	}
	return &ledger.Entry{Body: &ledger.Seal{Run: r.ID, Round: r.Round, Opened: r.Opened, Number: latest.Number + 1, Ground: g, Updates: rest}}
}

// ground returns why the latest seal cannot be committed, as far as this site knows.
func (m *Machine) ground(p *part, r *ledger.Run) *ledger.Ground {
	latest := r.Latest()
	if bad := p.bad[latest.CID]; bad != nil {
		return &ledger.Ground{Kind: ledger.Invalid, Dropped: []peer.ID{bad.Site}, Shard: bad.Shard}
	}
	if m.now < p.sealedAt+m.cfg.Timing.Unavailable {
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

// isReady reports whether this site has said that it is ready for a candidate, or has locked it.
func (m *Machine) isReady(id block.CID) bool {
	c := m.height.candidates[id]
	return c != nil && c.entry != nil && (c.ready[m.self] || m.height.locked == id)
}

// mayVote reports whether this site may vote for a candidate. Readiness is holding what it needs and
// agreeing with its judgement (nobody left out, a ground that holds here too, no approval taken back). A quorum's prevotes
// vouch for the judgement: what differs from site to site must not halt the mesh once a site may have
// locked the entry. Holding is never vouched for, except to who takes no part in the run and may not
// hold its updates: at least q-f correct sites of that quorum do.
func (m *Machine) mayVote(id block.CID, proven bool) bool {
	if m.isReady(id) {
		return true
	}
	c := m.height.candidates[id]
	if !proven || c == nil || c.entry == nil {
		return false
	}
	if p := m.parts[c.entry.Run()]; p != nil && !p.accepted() {
		return true
	}
	return m.holds(c.entry)
}

// holds reports whether this site holds all that voting for an entry needs, so that whoever voted can
// serve it. Validity was checked when the entry was learnt.
func (m *Machine) holds(e *ledger.Entry) bool {
	switch b := e.Body.(type) {
	case *ledger.Open:
		spec, _ := ledger.BodyOf[ledger.RunSpec](&b.Spec, ledger.KindOpen)
		return m.holdBase(e.Run(), spec)
	case *ledger.Close, *ledger.Changed:
		return true
	}
	p := m.parts[e.Run()]
	if p == nil || !p.accepted() {
		return false // updates are for participants only: others cannot check
	}
	switch b := e.Body.(type) {
	case *ledger.Seal:
		return p.holdsAll(b)
	case *ledger.Void:
		return true
	case *ledger.Commit:
		if b.State.Defined() {
			return false // no rule of this program has one
		}
		return p.models[b.Seal] == b.Model
	}
	return false
}

// agrees reports whether this site finds itself what an entry claims about who is in and who is not, and who approves.
func (m *Machine) agrees(e *ledger.Entry) bool {
	r, p := m.ledger.Run(e.Run()), m.parts[e.Run()]
	switch b := e.Body.(type) {
	case *ledger.Seal:
		if b.Number == 0 {
			return m.omitsNone(p, r, b)
		}
		return m.sameGround(p, r, b.Ground)
	case *ledger.Void:
		return m.sameGround(p, r, &b.Ground)
	case *ledger.Changed:
		return m.standsBehind(b)
	}
	return true
}

// standsBehind reports whether none of the approvals that a change of the roster brings was taken back, as far as this site
// knows.
func (m *Machine) standsBehind(c *ledger.Changed) bool {
	p := m.changes[c.Change.ID()]
	return p == nil || !slices.ContainsFunc(c.Approvals, func(v ledger.CertVote) bool {
		w := p.withdrawal(v.From)
		return w != nil && w.Withdrawn
	})
}

// omitsNone reports whether a seal lists every update that this site would have sealed; one that
// leaves a site out has to wait for this site's own deadline.
func (m *Machine) omitsNone(p *part, r *ledger.Run, s *ledger.Seal) bool {
	if m.sealDeadlinePassed(p) {
		return true
	}
	listed := s.Contributors()
	for _, c := range p.order {
		if c.best == nil || c.best.Round != r.Round {
			continue
		}
		if _, in := slices.BinarySearchFunc(listed, c.id, ledger.CompareIDs); !in {
			return false
		}
	}
	return true
}

// outdone reports whether a quorum is ready for a seal of the same opening that lists more sites: no
// proposer can leave a site out as long as another may propose it.
func (m *Machine) outdone(e *ledger.Entry) bool {
	seal := ledger.As[ledger.Seal](e)
	if seal == nil || seal.Number > 0 {
		return false
	}
	for _, c := range m.height.candidates {
		if c.entry == nil || len(c.ready) < m.roster.Quorum() || !c.ready[m.self] {
			continue
		}
		if other := ledger.As[ledger.Seal](c.entry); other != nil && other.Run == seal.Run && len(other.Updates) > len(seal.Updates) {
			return true
		}
	}
	return false
}

// sameGround reports whether this site finds itself what a ground claims.
func (m *Machine) sameGround(p *part, r *ledger.Run, g *ledger.Ground) bool {
	own := m.ground(p, r)
	if own == nil || own.Kind != g.Kind {
		return false
	}
	if g.Kind == ledger.Invalid {
		return own.Shard == g.Shard && slices.Equal(own.Dropped, g.Dropped)
	}
	for _, id := range g.Dropped {
		if !slices.Contains(own.Dropped, id) {
			return false // this site holds it, and can serve it
		}
	}
	return true
}

// best returns the candidate that this site proposes: those that a quorum is ready for first; then what it has
// proposed least often, and what all have, as a quorum that says it is ready may have a liar in it, who does not
// vote then; then by kind (roster, commit, void and re-seal, run, seal), the oldest run, the most updates.
func (m *Machine) best() *ledger.Entry {
	var best *candidate
	for _, id := range m.height.order() {
		c := m.height.candidates[id]
		if c.entry == nil || len(c.ready) < m.roster.Quorum() && !c.ready[m.self] {
			continue
		}
		if best == nil || m.before(c, best) {
			best = c
		}
	}
	if best == nil {
		return nil
	}
	return best.entry
}

func (m *Machine) before(a, b *candidate) bool {
	rank := func(c *candidate) [6]int {
		e := c.entry
		k := [6]int{1, c.offers, c.tried, precedence(e), 0, 0}
		if len(c.ready) >= m.roster.Quorum() {
			k[0] = 0
		}
		if r := m.ledger.Run(e.Run()); r != nil {
			k[4] = int(r.Height)
		}
		if s := ledger.As[ledger.Seal](e); s != nil {
			k[5] = -len(s.Updates)
		}
		return k
	}
	x, y := rank(a), rank(b)
	return slices.Compare(x[:], y[:]) < 0
}

func precedence(e *ledger.Entry) int {
	switch b := e.Body.(type) {
	case *ledger.Changed:
		return 0
	case *ledger.Commit:
		return 1
	case *ledger.Void:
		return 2
	case *ledger.Open, *ledger.Close:
		return 3
	case *ledger.Seal:
		if b.Number > 0 {
			return 2
		}
	}
	return 4
}
