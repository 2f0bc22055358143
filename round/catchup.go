package round

import (
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/peerlog"
	"github.com/weft-mesh/weft/trace"
)

// How a site that lags, restarts or missed a message gets what it lacks: sites show each other
// their heads, on connecting and every few seconds, and the one that has more sends it.

// batchBytes ends a batch of certified entries well below a message's limit.
const batchBytes = maxMessage / 4

func (m *Machine) connect(id peer.ID) {
	if id == m.self {
		return
	}
	m.neighbours.Connect(id)
	m.version++
	m.sendHead(id)
}

func (m *Machine) sendHead(to peer.ID) {
	m.neighbours.Shown(to, m.out.now)
	m.recall.shown(to, m.out.now)
	m.out.send(to, &Message{Head: m.head()})
}

// head says where this site stands.
func (m *Machine) head() *Head {
	head := &Head{Height: m.ledger.Height(), Entry: m.ledger.Head(), Named: m.proofs.Bitmap(m.roster())}
	head.Now, head.Past = m.consensus.Seen()
	head.Runs = m.runs.Heads()
	head.Asks, head.Asked = m.runs.AskedHeads()
	head.Changes = m.members.Heads()
	head.Weft, head.Protocol = m.cfg.Weft, m.ledger.Understands()
	head.Restarted, head.Mute = m.recall.asks, m.voice.Muted()
	return head
}

// lag shows our head to a site that seems to be ahead, so that it sends what we lack.
func (m *Machine) lag(to peer.ID) {
	if to != m.self && m.neighbours.MayAsk(to, m.out.now) {
		m.sendHead(to)
	}
}

// answer sends a site that speaks of an old height the certificates from there on.
func (m *Machine) answer(to peer.ID, height uint64) {
	if to != m.self && m.neighbours.Answer(to, height, m.out.now) {
		m.sendCertified(to, height)
	}
}

// sendCertified sends a batch of certified entries. Those that the site was sent before are charged to it.
func (m *Machine) sendCertified(to peer.ID, from uint64) {
	msg := &Message{}
	size, again := 0, 0
	last, given := m.ledger.LastFor(to), m.neighbours.Given(to)
	h := from
	for ; h <= last && len(msg.Certified) < maxCertified && size < batchBytes; h++ {
		c := m.ledger.At(h).Certified()
		bytes := len(c.Entry) + len(c.Certificate.Votes)*(ledger.MaxSignature+64)
		if size += bytes; h <= given {
			again += bytes
		}
		msg.Certified = append(msg.Certified, c)
	}
	if len(msg.Certified) > 0 && m.neighbours.MayAnswer(to, again, m.out.now) {
		m.neighbours.Give(to, h-1)
		m.out.send(to, msg)
	}
}

// resend sends what of the outbox is due. An observer is outside the broadcast set, so it sends to each
// connected peer.
func (m *Machine) resend() {
	for _, l := range m.outbox.Due(m.out.now, m.observes()) {
		msg := &Message{Attempt: l.Attempt, Statement: l.Statement, Evidence: l.Evidence}
		if !m.observes() {
			m.out.send("", msg)
			continue
		}
		for _, id := range m.neighbours.Connected() {
			m.out.send(id, msg)
		}
	}
}

func (m *Machine) receiveHead(from peer.ID, head *Head) {
	if !m.roster().Has(from) && !m.neighbours.Reaches(from) {
		return
	}
	m.neighbours.Stands(from, head.Height)
	m.giveEvidence(from, head)
	m.voice.Heard(from, head.Height)
	if head.Restarted && m.roster().Has(from) && m.neighbours.MayTell(from, m.out.now) {
		m.out.send(from, &Message{Said: saidBy(m, from)})
	}
	if head.Protocol < recallProtocol {
		m.recall.answered(from, head.Height)
	}
	switch mine := m.ledger.Height(); {
	case head.contradicts(m.ledger):
		m.answer(from, head.Height)
	case head.Height < mine:
		m.answer(from, head.Height+1)
	case head.Height > mine:
		m.lag(from)
	default:
		m.fillIn(from, head)
	}
}

// giveEvidence proves to a site the lies that it does not know of.
func (m *Machine) giveEvidence(to peer.ID, head *Head) {
	if head.Height > m.ledger.Height() {
		return // by a roster that is not known here yet
	}
	m.proofs.Gap(to, head.Named, m.roster(), m.ledger.RosterAt(head.Height+1), func(e *peerlog.Evidence) {
		if m.neighbours.MayAnswer(to, e.A.Size()+e.B.Size(), m.out.now) {
			m.out.send(to, &Message{Evidence: e})
		}
	})
}

// fillIn sends a site of our height the statements that its head lacks and ours has, and those of which
// it has another version: their author has signed twice for one place. What it has said itself is among them: its log may be
// lost, or a part of it.
func (m *Machine) fillIn(to peer.ID, head *Head) {
	all := func(s *ledger.Signed) {
		if m.neighbours.MayAnswer(to, s.Size(), m.out.now) {
			m.out.send(to, &Message{Statement: s})
		}
	}
	m.members.Gap(head.Changes, all)
	if m.observes() || !m.roster().Has(to) {
		return // an observer is shown the ledger and who asks to join, and shows no more
	}
	m.runs.AskedGap(head.Asks, head.Asked, all)
	m.consensus.Gap(&head.Now, head.Past, all)
	m.runs.Gap(head.Runs, all)
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
		switch number := m.consensus.Number(); {
		case e.Height == 0 || e.Height > number:
			return nil
		case e.Height < number && m.ledger.At(e.Height).Entry.CID() == e.CID():
			continue
		case e.Height < number:
			if err := proven(m, from, e, cert); err != nil {
				return err
			}
			m.fork(from, e, cert)
			continue
		}
		if err := proven(m, from, e, cert); err != nil {
			return err
		}
		if err := m.ledger.Check(e); errors.Is(err, ledger.ErrNewer) {
			m.halt(err)
			return nil
		} else if err != nil {
			if e.Parent != m.ledger.Head() {
				m.out.Trace(trace.Forked{Subject: trace.At(e.Height).Of(from), Entry: e.CID(), Why: "a certified entry follows another than ours: more sites lie than the mesh withstands"})
			}
			return err
		}
		m.decide(e, cert)
		if m.halted != nil {
			return nil
		}
	}
	if m.neighbours.Height(from) > m.ledger.Height() {
		m.sendHead(from)
	}
	return nil
}

// proven says whether a certificate is a quorum's. Who sends one that is not is blamed, as nobody passes certificates on unseen;
// unless the ledgers of two sides differ, and with them their rosters.
func proven(m *Machine, from peer.ID, e *ledger.Entry, cert *ledger.Certificate) error {
	err := cert.Verify(m.ledger.Mesh(), m.ledger.RosterAt(e.Height), e, m.cfg.Verify)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("from %s: %w", m.ledger.Name(from), err)
	if !m.neighbours.Split() {
		m.out.blame(from, err)
	}
	return err
}
