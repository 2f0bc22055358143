package round

import (
	"slices"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// The rules of the agreement, each with its line in algorithm 1 of arXiv 1807.04938. Weft adds
// readiness: who lacks an entry's inputs withholds its prevote until the timeout and never precommits.

// agree applies the first rule that can be; it reports whether one could.
func (m *Machine) agree() bool {
	h := m.height
	if m.decideIfCertified() {
		return true
	}
	if !h.opened {
		return false
	}
	return m.skipAhead() || m.propose() || m.prevote() || m.precommit() || m.timeouts()
}

// decideIfCertified is line 49: a quorum has precommitted an entry in one view.
func (m *Machine) decideIfCertified() bool {
	h := m.height
	if !h.news {
		return false
	}
	h.news = false
	first, found := uint64(0), block.CID{}
	for view, t := range h.precommits {
		if found.Defined() && view > first {
			continue
		}
		c, _ := t.quorum(m.roster.Quorum())
		if known := h.candidates[c]; known != nil && known.entry != nil {
			first, found = view, c
		}
	}
	if !found.Defined() {
		return false
	}
	m.decide(h.candidates[found].entry, m.certificate(first, found))
	return true
}

func (m *Machine) certificate(view uint64, c block.CID) *ledger.Certificate {
	cert := &ledger.Certificate{Mesh: m.ledger.Mesh(), Height: m.height.number, View: view, Entry: c}
	for _, s := range m.height.precommits[view].of(c) {
		cert.Votes = append(cert.Votes, ledger.CertVote{From: s.From, Sig: s.Sig})
	}
	return cert
}

// decide adds an entry to the ledger and turns to the next height.
func (m *Machine) decide(e *ledger.Entry, cert *ledger.Certificate) {
	m.compareVotes(cert)
	m.ledger.Apply(e, cert)
	m.save(Record{Decided: &ledger.Certified{Entry: e.Block().Data, Certificate: *cert}})
	if tries := m.height.tries(); tries > 0 {
		m.pace = m.cfg.Timing.viewTimeout(m.pace, tries)
	} else {
		m.pace = max(m.cfg.Timing.Propose, m.pace*3/4)
	}
	m.trace(Trace{Event: "decide", Height: e.Height, View: cert.View, Kind: e.Kind(), Entry: e.CID(), Run: e.Run(), Text: e.String()})
	m.past = slices.Insert(m.past, 0, m.height.decided(cert))
	m.past = m.past[:min(len(m.past), maxPast)]
	m.dirty = true
	m.advance(e)
	early := m.early
	m.early = nil
	for _, r := range early {
		m.receive(r)
	}
}

// advance turns to the height after a decided entry.
func (m *Machine) advance(e *ledger.Entry) {
	m.roster = m.ledger.Roster()
	m.height = newHeight(m.ledger)
	m.mute.decided(e.Height)
	m.follow(e)
	m.halt(m.ledger.Known())
}

// halt ends all that this machine does, if there is a reason.
func (m *Machine) halt(why error) {
	if why != nil && m.halted == nil {
		m.halted = why
		m.trace(Trace{Event: "halt", Height: m.ledger.Height(), Text: why.Error()})
	}
}

// skipAhead is line 55: f+1 sites are in a newer view, so a correct one is.
func (m *Machine) skipAhead() bool {
	h := m.height
	if !h.newer {
		return false
	}
	h.newer = false
	newer := make([]uint64, 0, len(h.views))
	for _, v := range h.views {
		if v > h.view {
			newer = append(newer, v)
		}
	}
	if len(newer) < m.roster.F()+1 {
		return false
	}
	slices.Sort(newer)
	m.startView(newer[len(newer)-m.roster.F()-1]) // the newest that f+1 sites have reached
	return true
}

func (m *Machine) startView(view uint64) {
	h := m.height
	left := h.view
	h.view, h.step, h.since, h.prevoteBy, h.precommitBy = view, stepPropose, m.now, 0, 0
	for v := range h.prevotes {
		if !h.keeps(v) {
			delete(h.prevotes, v)
		}
	}
	for v := range h.precommits {
		if !h.keeps(v) {
			delete(h.precommits, v)
		}
	}
	for v := range h.proposals {
		if !h.keeps(v) {
			delete(h.proposals, v)
		}
	}
	h.newer = true
	m.trace(Trace{Event: "view", Height: h.number, View: view})
	m.voteBehind(left)
	for at := range h.mine { // a view that has passed is not spoken in again
		if at.view+1 < view {
			delete(h.mine, at)
		}
	}
}

// voteBehind votes nil in the views from one on that this site has left, wherever it has not voted. Whatever moved
// it on may be forgotten, by it and by whoever said it: others that are still there must not miss its vote for ever.
func (m *Machine) voteBehind(from uint64) {
	h := m.height
	for view := max(from, h.view-min(h.view, maxViewsBehind)); view < h.view; view++ {
		m.voteIn(view, ledger.KindPrevote, block.CID{})
		m.voteIn(view, ledger.KindPrecommit, block.CID{})
	}
}

// propose is line 14: the view's proposer offers the valid entry, or else the best candidate.
func (m *Machine) propose() bool {
	h := m.height
	if h.step != stepPropose || h.proposals[h.view] != nil || m.roster.Proposer(h.parent, h.view) != m.self || m.muted() {
		return false
	}
	if h.mine[place{ledger.KindProposal, h.view}] != nil {
		return false
	}
	b := &ledger.Proposal{Height: h.number, View: h.view, ValidView: h.validView}
	var e *ledger.Entry
	if h.validView >= 0 {
		e = h.candidates[h.valid].entry
		b.Polka = h.votes(ledger.KindPrevote, uint64(h.validView)).of(h.valid)
	} else if e = m.best(); e == nil {
		return false
	}
	b.Entry = e.Block().Data
	s := m.sign(ledger.KindProposal, b)
	h.mine[place{ledger.KindProposal, h.view}] = s
	h.keepProposal(&proposal{s, b, e, len(b.Polka)})
	h.candidates[e.CID()].offers++
	m.save(Record{Statement: s})
	m.publish(s, 0)
	m.trace(Trace{Event: "propose", Height: h.number, View: h.view, Entry: e.CID(), Text: e.String()})
	return true
}

// prevote is lines 22 and 28.
func (m *Machine) prevote() bool {
	h := m.height
	p := h.proposals[h.view]
	if h.step != stepPropose || p == nil {
		return false
	}
	c := p.entry.CID()
	proven := p.ValidView >= 0 && p.proof >= m.roster.Quorum()
	free := h.lockedView < 0 || h.locked == c || p.ValidView >= 0 && h.lockedView <= p.ValidView
	switch {
	case !free:
		m.vote(ledger.KindPrevote, block.CID{})
	case m.mayVote(c, proven) && (proven || h.locked == c || !m.outdone(p.entry)):
		m.vote(ledger.KindPrevote, c)
	default:
		return false // withheld until ready or the timeout
	}
	h.step = stepPrevote
	return true
}

// precommit is lines 36 and 44, and the start of the timeouts in lines 34 and 47.
func (m *Machine) precommit() bool {
	h := m.height
	q := m.roster.Quorum()
	pre := h.votes(ledger.KindPrevote, h.view)
	timeout := m.timeout()
	c, _ := pre.quorum(q)
	if known := h.candidates[c]; known != nil && known.entry != nil && h.step >= stepPrevote {
		if h.step == stepPrevote && m.mayVote(c, true) {
			h.locked, h.lockedView = c, int64(h.view)
			h.valid, h.validView = c, int64(h.view)
			if !m.muted() {
				m.save(Record{Lock: &Lock{h.number, h.view, known.entry.Block().Data, pre.of(c)}})
			}
			m.vote(ledger.KindPrecommit, c)
			h.step = stepPrecommit
			return true
		}
		if h.validView < int64(h.view) {
			h.valid, h.validView = c, int64(h.view)
			return true
		}
	}
	if h.step == stepPrevote && pre.count[block.CID{}] >= q {
		m.vote(ledger.KindPrecommit, block.CID{})
		h.step = stepPrecommit
		return true
	}
	if h.step == stepPrevote && h.prevoteBy == 0 && len(pre.votes) >= q {
		h.prevoteBy = m.now + timeout
	}
	if h.precommitBy == 0 && len(h.votes(ledger.KindPrecommit, h.view).votes) >= q {
		h.precommitBy = m.now + timeout
	}
	return false
}

// timeouts is lines 57, 61 and 65; and a view that a quorum precommits nil in ends at once, since
// nothing can be decided in it any more.
func (m *Machine) timeouts() bool {
	h := m.height
	timeout := m.timeout()
	switch {
	case h.precommitBy > 0 && m.now >= h.precommitBy, h.votes(ledger.KindPrecommit, h.view).count[block.CID{}] >= m.roster.Quorum():
		m.startView(h.view + 1)
	case h.step == stepPropose && m.now >= h.since+timeout:
		m.vote(ledger.KindPrevote, block.CID{})
		h.step = stepPrevote
	case h.step == stepPrevote && h.prevoteBy > 0 && m.now >= h.prevoteBy:
		m.vote(ledger.KindPrecommit, block.CID{})
		h.step = stepPrecommit
	default:
		return false
	}
	return true
}

// vote signs a vote of the current view.
func (m *Machine) vote(kind ledger.Kind, c block.CID) { m.voteIn(m.height.view, kind, c) }

// voteIn signs a vote, unless one was signed for that place before.
func (m *Machine) voteIn(view uint64, kind ledger.Kind, c block.CID) {
	h := m.height
	at := place{kind, view}
	if m.muted() || h.mine[at] != nil {
		return
	}
	s := m.sign(kind, &ledger.Vote{Height: h.number, View: view, Entry: c})
	h.mine[at] = s
	h.votes(kind, view).add(s, c)
	h.news = true
	m.save(Record{Statement: s})
	m.publish(s, 0)
	m.trace(Trace{Event: string(kind), Height: h.number, View: view, Entry: c})
}

// restoreVote rebuilds the agreement of the current height from an own vote or proposal of the log.
func (m *Machine) restoreVote(s *ledger.Signed, number, view uint64) {
	h := m.height
	if number != h.number {
		return // of a height that has been decided since
	}
	h.opened = true
	if view > h.view {
		h.view, h.step = view, stepPropose
	}
	h.mine[place{s.Kind, view}] = s
	m.publish(s, 0)
	switch b, _ := s.Open(); b := b.(type) {
	case *ledger.Proposal:
		if e, err := m.learn(b.Entry); err == nil {
			h.keepProposal(&proposal{s, b, e, len(b.Polka)})
			h.candidates[e.CID()].offers++
		}
	case *ledger.Vote:
		h.votes(s.Kind, view).add(s, b.Entry)
		h.news = true
		if s.Kind == ledger.KindPrevote {
			h.step = max(h.step, stepPrevote)
		} else {
			h.step = stepPrecommit
		}
	}
}

// restoreLock rebuilds the lock: the entry that this site has precommitted, or was about to.
func (m *Machine) restoreLock(l *Lock) error {
	h := m.height
	if l.Height != h.number {
		return nil
	}
	e, err := m.learn(l.Entry)
	if err != nil {
		return err
	}
	h.opened = true
	h.locked, h.lockedView = e.CID(), int64(l.View)
	h.valid, h.validView = e.CID(), int64(l.View)
	for i := range l.Polka {
		if v, err := ledger.BodyOf[ledger.Vote](&l.Polka[i], ledger.KindPrevote); err == nil {
			h.votes(ledger.KindPrevote, l.View).add(&l.Polka[i], v.Entry)
		}
	}
	return nil
}
