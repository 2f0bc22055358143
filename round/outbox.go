package round

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// standing is an own message that is sent again, ever more seldom, as long as it matters: gossip
// may lose it, and who restarts has forgotten it.
type standing struct {
	message Message
	sends   uint64        // so far
	most    uint64        // 0: no limit
	next    time.Duration // when to send again
}

// publish sends an own statement to all now and again later.
func (m *Machine) publish(s *ledger.Signed, most uint64) {
	m.stand(&standing{message: Message{Statement: s}, most: most})
}

// stand puts a message into the outbox, to be sent with the next work.
func (m *Machine) stand(s *standing) {
	s.next = m.now
	m.outbox = append(m.outbox, s)
	m.resendAt = m.now
}

// resend sends what is due and forgets what no longer matters.
func (m *Machine) resend() {
	if m.resendAt > m.now {
		return
	}
	m.resendAt = never
	keep := m.outbox[:0]
	for _, s := range m.outbox {
		if !m.matters(s) {
			continue
		}
		keep = append(keep, s)
		if s.next <= m.now {
			s.sends++
			msg := s.message
			msg.Attempt = s.sends
			m.sendAll(&msg)
			s.next = m.now + m.backoff(s)
		}
		m.resendAt = min(m.resendAt, s.next)
	}
	clear(m.outbox[len(keep):])
	m.outbox = keep
}

// backoff doubles from Resend to ResendCap, plus up to a half of jitter drawn from the message and
// the site, so that sites that lost a link together do not all speak at once when it is back.
func (m *Machine) backoff(s *standing) time.Duration {
	wait := m.cfg.Timing.Resend << min(s.sends-1, 10)
	wait = min(wait, m.cfg.Timing.ResendCap)
	return wait + time.Duration(m.chance(s)*float64(wait)/2)
}

// chance is a number in [0, 1) that looks random but follows from the site, the message and the attempt.
func (m *Machine) chance(s *standing) float64 {
	b := []byte(m.self)
	b = binary.BigEndian.AppendUint64(b, s.sends)
	b = binary.BigEndian.AppendUint64(b, uint64(m.now))
	if s.message.Statement != nil {
		b = append(b, s.message.Statement.Sig...)
	}
	d := block.Sum(block.Raw, b).Digest()
	return float64(binary.BigEndian.Uint32(d[:4])) / (1 << 32)
}

// sendAll sends a message to all sites. An observer is not among those who hear what is said to all, and
// speaks to whom it is connected with.
func (m *Machine) sendAll(msg *Message) {
	if !m.observes() {
		m.send("", msg)
		return
	}
	for _, id := range m.connected() {
		m.send(id, msg)
	}
}

// matters reports whether a message is still worth sending.
func (m *Machine) matters(s *standing) bool {
	if s.most > 0 && s.sends >= s.most {
		return false
	}
	if s.message.Statement == nil {
		return true // evidence, limited by most
	}
	body, _ := s.message.Statement.Open()
	if _, joins := body.(*ledger.Join); m.observes() != joins {
		return false
	}
	switch b := body.(type) {
	case *ledger.Ready:
		return b.Height == m.height.number
	case *ledger.Proposal:
		return b.Height == m.height.number && b.View == m.height.view
	case *ledger.Vote: // of the view before too: the others may need it to leave that view
		return b.Height == m.height.number && (b.View+1 >= m.height.view || s.sends == 0)
	case *ledger.Update:
		return m.offered(b)
	case *ledger.Consent: // the newest
		return m.active(b.Run) && m.parts[b.Run].contributor(m.self).consent == s.message.Statement
	case *ledger.Stop:
		return m.active(b.Run)
	case *ledger.Change:
		return b.Version == m.roster.Version()
	case *ledger.Withdraw: // the newest
		c := m.changes[b.Change]
		return c != nil && c.withdrawals[m.self] == s.message.Statement
	case *ledger.Join:
		c := m.changes[b.Change]
		return c != nil && c.join == s.message.Statement
	}
	return false
}

func (m *Machine) active(run block.CID) bool {
	r := m.ledger.Run(run)
	return r != nil && r.Active()
}

// offered reports whether an own update can still come into a seal.
func (m *Machine) offered(u *ledger.Update) bool {
	r := m.ledger.Run(u.Run)
	if r == nil || !r.Active() {
		return false
	}
	p := m.parts[u.Run]
	if p == nil || p.contributor(m.self).find(u.Opened, u.Manifest) == nil {
		return false
	}
	if latest := r.Latest(); latest != nil {
		for i := range latest.Updates {
			if latest.Updates[i].Update.From == m.self {
				return false
			}
		}
	}
	return true
}

// neighbour is what a machine remembers of another site.
type neighbour struct {
	connected  bool
	height     uint64        // newest that it said it has decided
	askedAt    time.Duration // when it last got our head out of turn
	answered   uint64        // height from which it was sent certificates last
	answeredAt time.Duration
	forkAt     time.Duration // before then it is not shown our side of a fork again
}

// connected returns whom this site is connected with, in order.
func (m *Machine) connected() []peer.ID {
	var ids []peer.ID
	for id, n := range m.peers {
		if n.connected {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, ledger.CompareIDs)
	return ids
}

func (m *Machine) neighbour(id peer.ID) *neighbour {
	n := m.peers[id]
	if n == nil {
		n = &neighbour{askedAt: -time.Hour, answeredAt: -time.Hour}
		m.peers[id] = n
	}
	return n
}
