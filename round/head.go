package round

import (
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// How a site that lags, restarts or missed a message gets what it lacks: sites show each other
// their heads, on connecting and every few seconds, and whoever has more sends it.

const (
	// askAgain is the least time between two heads out of turn, or two equal answers, to one site.
	askAgain = 300 * time.Millisecond
	// batchBytes ends a batch of certified entries well below a message's limit.
	batchBytes = maxMessage / 4
)

func (m *Machine) connect(id peer.ID) {
	if id == m.self || !m.roster.Has(id) {
		return
	}
	m.neighbour(id).connected = true
	m.sendHead(id)
}

// sendHeads sends the head to the next connected site when it is time.
func (m *Machine) sendHeads() {
	if m.now < m.headAt {
		return
	}
	m.headAt = m.now + m.cfg.Timing.Head
	for range m.roster.Len() {
		site := m.roster.sites[m.headNext%m.roster.Len()]
		m.headNext++
		if site.ID != m.self && m.neighbour(site.ID).connected {
			m.sendHead(site.ID)
			return
		}
	}
}

func (m *Machine) sendHead(to peer.ID) {
	m.neighbour(to).askedAt = m.now
	m.send(to, &Message{Head: m.head()})
}

// head says where this site stands.
func (m *Machine) head() *Head {
	h := m.height
	head := &Head{Height: m.ledger.Height(), Entry: m.ledger.Head(), View: h.view, Proposal: h.proposals[h.view] != nil}
	head.Prevotes = m.roster.bitmap(h.votes(KindPrevote, h.view).has)
	head.Precommits = m.roster.bitmap(h.votes(KindPrecommit, h.view).has)
	for _, r := range m.ledger.order {
		if p := m.parts[r.ID]; p != nil && r.Active() {
			head.Runs = append(head.Runs, RunHead{
				Run:      r.ID,
				Updates:  m.roster.bitmap(func(id peer.ID) bool { return p.contributor(id).offer(r.Opened) != nil }),
				Consents: m.roster.bitmap(func(id peer.ID) bool { return p.contributor(id).said() }),
			})
		}
	}
	return head
}

// lag shows our head to a site that seems to be ahead, so that it sends what we lack.
func (m *Machine) lag(to peer.ID) {
	if to != m.self && m.now-m.neighbour(to).askedAt >= askAgain {
		m.sendHead(to)
	}
}

// answer sends a site that speaks of an old height the certificates from there on.
func (m *Machine) answer(to peer.ID, height uint64) {
	if to == m.self {
		return
	}
	n := m.neighbour(to)
	if n.answered == height && m.now-n.answeredAt < askAgain {
		return // it has not had the time to apply what it was sent
	}
	n.answered, n.answeredAt = height, m.now
	m.sendCertified(to, height)
}

func (m *Machine) sendCertified(to peer.ID, from uint64) {
	msg := &Message{}
	size := 0
	for h := from; h <= m.ledger.Height() && len(msg.Certified) < maxCertified && size < batchBytes; h++ {
		c := m.ledger.At(h).Certified()
		size += len(c.Entry) + len(c.Certificate.Votes)*(maxSignature+64)
		msg.Certified = append(msg.Certified, c)
	}
	if len(msg.Certified) > 0 {
		m.send(to, msg)
	}
}

func (m *Machine) receiveHead(from peer.ID, head *Head) {
	if !m.roster.Has(from) {
		return
	}
	n := m.neighbour(from)
	n.height = head.Height
	m.mute.heard(from, head.Height)
	switch mine := m.ledger.Height(); {
	case head.Height < mine:
		m.answer(from, head.Height+1)
	case head.Height > mine:
		m.lag(from)
	case head.Entry != m.ledger.Head():
		m.trace(Trace{Event: "fork", Height: mine, Site: from, Entry: head.Entry, Text: "a site has another entry at this height: more sites lie than the mesh withstands, or one has lost its disk"})
	default:
		m.fillIn(from, head)
	}
}

// fillIn sends a site of our height the statements that its head lacks and ours has.
func (m *Machine) fillIn(to peer.ID, head *Head) {
	give := func(s *Signed) {
		if s != nil && s.From != to {
			m.send(to, &Message{Statement: s})
		}
	}
	if h := m.height; h.opened && head.View <= h.view {
		ahead := head.View < h.view
		if p := h.proposals[h.view]; p != nil && (ahead || !head.Proposal) {
			give(p.statement)
		}
		m.fillInVotes(head, give)
	}
	for _, rh := range head.Runs {
		r, p := m.ledger.Run(rh.Run), m.parts[rh.Run]
		if r == nil || p == nil || !r.Active() {
			continue
		}
		for _, site := range m.roster.sites {
			c := p.contributor(site.ID)
			if !m.roster.inBitmap(rh.Consents, site.ID) {
				give(c.consent)
			}
			if u := c.offer(r.Opened); u != nil && !m.roster.inBitmap(rh.Updates, site.ID) {
				give(u.statement)
			}
		}
	}
}

// fillInVotes gives the votes of our view, and to a site in an older view those of its own, which
// let it leave that view.
func (m *Machine) fillInVotes(head *Head, give func(*Signed)) {
	h := m.height
	for _, kind := range []Kind{KindPrevote, KindPrecommit} {
		has := head.Prevotes
		if kind == KindPrecommit {
			has = head.Precommits
		}
		for _, site := range m.roster.sites {
			if h.keeps(head.View) && !m.roster.inBitmap(has, site.ID) {
				give(h.votes(kind, head.View).votes[site.ID])
			}
			if head.View < h.view {
				give(h.votes(kind, h.view).votes[site.ID])
			}
		}
	}
}

// receiveCertified applies decided entries that follow our head, whoever sends them: their
// certificates are the proof. An entry that contradicts a decided one is a fork, and named.
func (m *Machine) receiveCertified(from peer.ID, list []Certified) error {
	for i := range list {
		e, err := DecodeEntry(list[i].Entry)
		if err != nil {
			return err
		}
		cert := &list[i].Certificate
		switch {
		case e.Height == 0 || e.Height > m.height.number:
			return nil
		case e.Height < m.height.number:
			if m.ledger.At(e.Height).Entry.CID() != e.CID() && cert.Verify(m.ledger.mesh, m.roster, e, m.cfg.Verify) == nil {
				m.trace(Trace{Event: "fork", Height: e.Height, Site: from, Entry: e.CID(), Text: "two certified entries: more sites lie than the mesh withstands"})
			}
			continue
		}
		if err := m.ledger.Check(e); err != nil {
			return err
		}
		if err := cert.Verify(m.ledger.mesh, m.roster, e, m.cfg.Verify); err != nil {
			return fmt.Errorf("from %s: %w", m.roster.Name(from), err)
		}
		m.decide(e, cert)
	}
	if n := m.neighbour(from); n.height > m.ledger.Height() {
		m.sendHead(from)
	}
	return nil
}
