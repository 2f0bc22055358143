package round

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
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
	if id == m.self {
		return
	}
	m.neighbour(id).connected = true
	m.sendHead(id)
}

func (m *Machine) disconnect(id peer.ID) {
	m.neighbour(id).connected = false
	if !m.roster.Has(id) {
		delete(m.peers, id)
	}
}

// reaches reports whether this site is connected with a peer.
func (m *Machine) reaches(id peer.ID) bool { return m.peers[id] != nil && m.peers[id].connected }

// sendHeads sends the head to the next connected peer, in the order of their IDs, when it is time.
func (m *Machine) sendHeads() {
	if m.now < m.headAt {
		return
	}
	m.headAt = m.now + m.cfg.Timing.Head
	ids := m.connected()
	if len(ids) == 0 {
		return
	}
	i, found := slices.BinarySearchFunc(ids, m.headLast, ledger.CompareIDs)
	if found {
		i++
	}
	m.headLast = ids[i%len(ids)]
	m.sendHead(m.headLast)
}

func (m *Machine) sendHead(to peer.ID) {
	m.neighbour(to).askedAt = m.now
	m.send(to, &Message{Head: m.head()})
}

// head says where this site stands.
func (m *Machine) head() *Head {
	head := &Head{
		Height: m.ledger.Height(), Entry: m.ledger.Head(), Now: m.height.seen(m.roster, m.height.view), Past: []Votes{},
		Named: m.roster.Bitmap(func(id peer.ID) bool { return m.named[id] != nil }),
	}
	for _, h := range m.past {
		head.Past = append(head.Past, h.seen(m.roster, h.view))
	}
	for _, r := range m.ledger.Runs() {
		if p := m.parts[r.ID]; p != nil && r.Active() {
			head.Runs = append(head.Runs, RunHead{
				Run:      r.ID,
				Updates:  m.roster.Bitmap(func(id peer.ID) bool { return p.contributor(id).offer(r.Opened) != nil }),
				Consents: m.roster.Bitmap(func(id peer.ID) bool { return p.contributor(id).said() }),
			})
		}
	}
	head.Changes = m.changeHeads()
	head.Weft, head.Protocol = m.cfg.Weft, m.protocol()
	return head
}

// protocol returns the newest protocol number that this program knows.
func (m *Machine) protocol() uint64 { return cmp.Or(m.cfg.Protocol, ledger.Newest) }

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
	last := m.ledger.LastFor(to)
	for h := from; h <= last && len(msg.Certified) < maxCertified && size < batchBytes; h++ {
		c := m.ledger.At(h).Certified()
		size += len(c.Entry) + len(c.Certificate.Votes)*(ledger.MaxSignature+64)
		msg.Certified = append(msg.Certified, c)
	}
	if len(msg.Certified) > 0 {
		m.send(to, msg)
	}
}

func (m *Machine) receiveHead(from peer.ID, head *Head) {
	if !m.roster.Has(from) && !m.reaches(from) {
		return
	}
	n := m.neighbour(from)
	n.height = head.Height
	m.fillInEvidence(from, head)
	m.mute.heard(from, head.Height)
	switch mine := m.ledger.Height(); {
	case m.elsewhere(from, head):
	case head.Height < mine:
		m.answer(from, head.Height+1)
	case head.Height > mine:
		m.lag(from)
	default:
		m.fillIn(from, head)
	}
}

// fillIn sends a site of our height the statements that its head lacks and ours has, and those of which
// it has another version: their author has signed twice for one place.
func (m *Machine) fillIn(to peer.ID, head *Head) {
	give := func(s *ledger.Signed) {
		if s != nil && s.From != to {
			m.send(to, &Message{Statement: s})
		}
	}
	m.fillInChanges(head, func(s *ledger.Signed) { // also what it has said itself: its log may be lost
		if s != nil {
			m.send(to, &Message{Statement: s})
		}
	})
	if m.observes() || !m.roster.Has(to) {
		return // who observes is shown the ledger and who asks to join, and shows no more
	}
	h := m.height
	if ahead := head.Now.View < h.view; h.opened && head.Now.View <= h.view {
		if p := h.proposals[h.view]; p != nil && (ahead || head.Now.Proposal != mark(p.entry.CID())) {
			give(p.statement)
		}
		if h.keeps(head.Now.View) {
			m.fillInVotes(h, &head.Now, true, give)
		}
		if ahead { // which let it leave its view
			m.fillInVotes(h, &Votes{View: h.view}, true, give)
		}
	}
	for i, h := range m.past {
		if i >= len(head.Past) || head.Past[i].View != h.view {
			continue
		}
		if p := h.proposals[h.view]; p != nil && head.Past[i].Proposal != 0 && head.Past[i].Proposal != mark(p.entry.CID()) {
			give(p.statement)
		}
		m.fillInVotes(h, &head.Past[i], false, give)
	}
	for _, rh := range head.Runs {
		r, p := m.ledger.Run(rh.Run), m.parts[rh.Run]
		if r == nil || p == nil || !r.Active() {
			continue
		}
		for _, site := range m.roster.Sites() {
			c := p.contributor(site.ID)
			if !m.roster.InBitmap(rh.Consents, site.ID) {
				give(c.consent)
			}
			if u := c.offer(r.Opened); u != nil && !m.roster.InBitmap(rh.Updates, site.ID) {
				give(u.statement)
			}
		}
	}
}

// fillInVotes gives the votes of a view that differ from those another site has, and with lacking
// those that it lacks.
func (m *Machine) fillInVotes(h *height, theirs *Votes, lacking bool, give func(*ledger.Signed)) {
	of := func(kind ledger.Kind, marks []byte) {
		for i, site := range m.roster.Sites() {
			s := h.votes(kind, theirs.View).votes[site.ID]
			if s == nil {
				continue
			}
			v, _ := ledger.BodyOf[ledger.Vote](s, kind)
			their := byte(0)
			if i < len(marks) {
				their = marks[i]
			}
			if their == 0 && lacking || their != 0 && their != byte(mark(v.Entry)) {
				give(s)
			}
		}
	}
	of(ledger.KindPrevote, theirs.Prevotes)
	of(ledger.KindPrecommit, theirs.Precommits)
}

// fillInEvidence proves to a site the lies that it does not know of.
func (m *Machine) fillInEvidence(to peer.ID, head *Head) {
	if head.Height > m.ledger.Height() {
		return // by a roster that is not known here yet
	}
	r := m.ledger.RosterAt(head.Height + 1)
	for _, site := range m.roster.Sites() {
		if e := m.named[site.ID]; e != nil && site.ID != to && r.Has(site.ID) && !r.InBitmap(head.Named, site.ID) {
			m.send(to, &Message{Evidence: e})
		}
	}
}

// seen tells what is known of a view.
func (h *height) seen(r *ledger.Roster, view uint64) Votes {
	v := Votes{View: view, Prevotes: h.marks(r, ledger.KindPrevote, view), Precommits: h.marks(r, ledger.KindPrecommit, view)}
	if p := h.proposals[view]; p != nil {
		v.Proposal = mark(p.entry.CID())
	}
	return v
}

func (h *height) marks(r *ledger.Roster, kind ledger.Kind, view uint64) []byte {
	b := make([]byte, len(r.Sites()))
	for id, s := range h.votes(kind, view).votes {
		if i, ok := r.Index(id); ok { // the last height may have had another roster
			v, _ := ledger.BodyOf[ledger.Vote](s, kind)
			b[i] = byte(mark(v.Entry))
		}
	}
	return b
}

// mark is a short name of an entry in a head: 1 for nil, 2 to 255 by the CID.
func mark(c block.CID) uint64 {
	if !c.Defined() {
		return 1
	}
	d := c.Digest()
	return 2 + uint64(d[len(d)-1])%254
}

// receiveCertified applies decided entries that follow our head, whoever sends them: their
// certificates are the proof. One that contradicts a decided entry is a fork.
func (m *Machine) receiveCertified(from peer.ID, list []ledger.Certified) error {
	for i := range list {
		e, err := ledger.DecodeEntry(list[i].Entry)
		if err != nil {
			return err
		}
		cert := &list[i].Certificate
		switch {
		case e.Height == 0 || e.Height > m.height.number:
			return nil
		case e.Height < m.height.number:
			if m.ledger.At(e.Height).Entry.CID() != e.CID() && cert.Verify(m.ledger.Mesh(), m.ledger.RosterAt(e.Height), e, m.cfg.Verify) == nil {
				m.fork(from, e, cert)
			}
			continue
		}
		if err := m.ledger.Check(e); errors.Is(err, ledger.ErrNewer) {
			if forged := cert.Verify(m.ledger.Mesh(), m.roster, e, m.cfg.Verify); forged != nil {
				return fmt.Errorf("from %s: %w", m.ledger.Name(from), forged)
			}
			m.halt(err)
			return nil
		} else if err != nil {
			if e.Parent != m.ledger.Head() && cert.Verify(m.ledger.Mesh(), m.roster, e, m.cfg.Verify) == nil {
				m.trace(Trace{Event: "fork", Height: e.Height, Site: from, Entry: e.CID(), Text: "a certified entry follows another than ours: more sites lie than the mesh withstands"})
			}
			return err
		}
		if err := cert.Verify(m.ledger.Mesh(), m.roster, e, m.cfg.Verify); err != nil {
			return fmt.Errorf("from %s: %w", m.ledger.Name(from), err)
		}
		m.decide(e, cert)
		if m.halted != nil {
			return nil
		}
	}
	if n := m.neighbour(from); n.height > m.ledger.Height() {
		m.sendHead(from)
	}
	return nil
}
