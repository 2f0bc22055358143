package round

import (
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/membership"
	"github.com/weft-mesh/weft/round/peerlog"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/trace"
)

// receive sorts an arrived message to where it belongs; what is refused is traced with its reason.
func (m *Machine) receive(r Received) {
	if r.From == m.self {
		return
	}
	m.neighbours.Earned(r.From, r.Bytes, m.out.now)
	var err error
	switch msg := r.Message; {
	case msg.Statement != nil:
		err = m.receiveStatement(r)
	case msg.Evidence != nil:
		err = m.receiveEvidence(msg.Evidence)
	case msg.Head != nil:
		m.receiveHead(r.From, msg.Head)
	case len(msg.Certified) > 0:
		err = m.receiveCertified(r.From, msg.Certified)
	case msg.Said != nil:
		err = receiveSaid(m, r.From, msg.Said)
	}
	if err != nil {
		m.out.Trace(trace.Rejected{Subject: trace.Of(r.From), Why: err.Error()})
	}
}

func (m *Machine) receiveStatement(r Received) error {
	s := r.Message.Statement
	body, err := s.Open()
	if err != nil {
		return err
	}
	if s.From == m.self {
		return receiveOwn(m, s)
	}
	if j, ok := body.(*ledger.Join); ok {
		return m.receiveJoin(r.From, s, j)
	}
	if err := m.out.Verify(s); errors.Is(err, ledger.ErrStranger) {
		return m.receiveStranger(r, body, err)
	} else if err != nil {
		return err
	}
	early := false
	switch {
	case membership.Handles(s.Kind):
		early, err = m.members.Receive(s)
	case runs.Handles(s.Kind):
		early, err = m.runs.Receive(s)
	case consensus.Handles(s.Kind):
		return m.receiveVote(r, body.(ledger.AtHeight).At())
	}
	if early {
		m.keepEarly(r)
	}
	return err
}

// keepEarly keeps a statement that cannot be judged yet: its author is ahead of this site.
func (m *Machine) keepEarly(r Received) {
	m.early.keep(r)
	m.lag(r.Message.Statement.From)
}

// receiveVote takes a statement of the agreement. An older one that its author has to repeat is answered
// with that height's certificate; a newer one says that this site lags.
func (m *Machine) receiveVote(r Received, height uint64) error {
	s, number := r.Message.Statement, m.consensus.Number()
	if height+1 >= number { // older ones anybody may say again
		m.neighbours.Heard(s.From, m.out.now)
	}
	switch {
	case height < number:
		m.consensus.ComparePast(s)
		if r.Message.Attempt > 1 { // the first may only have been overtaken by the others' votes
			m.answer(s.From, height)
		}
	case height > number:
		m.keepEarly(r)
	default:
		return m.consensus.Receive(s)
	}
	return nil
}

func (m *Machine) receiveJoin(from peer.ID, s *ledger.Signed, j *ledger.Join) error {
	early, err := m.members.ReceiveJoin(s, j)
	if early {
		m.lag(from)
	}
	return err
}

// receiveStranger looks at a statement whose author is no site of the roster in force. It may be a
// newcomer's, of whom this site has not heard yet, or that of a site which has not heard of its removal.
func (m *Machine) receiveStranger(r Received, body ledger.Body, err error) error {
	height := uint64(0)
	if b, ok := body.(ledger.AtHeight); ok {
		height = b.At()
	}
	author := r.Message.Statement.From
	switch {
	case m.ledger.HasBeen(author):
		if height > 0 && height <= m.ledger.Height() {
			m.answer(author, height)
		}
		return fmt.Errorf("%s of %s, which was removed: %w", r.Message.Statement.Kind, m.ledger.Name(author), ledger.ErrStranger)
	case height == 0 || height > m.consensus.Number():
		m.lag(r.From)
		return nil // it is said again
	}
	return err
}

func (m *Machine) receiveEvidence(e *peerlog.Evidence) error {
	for _, s := range []*ledger.Signed{&e.A, &e.B} {
		if err := m.out.Verify(s); errors.Is(err, ledger.ErrStranger) {
			return nil // not a site any more, or not known here yet
		} else if err != nil {
			return err
		}
	}
	if e.A.Kind == ledger.KindUpdate && e.B.Kind == ledger.KindUpdate {
		return nil // programs before protocol 4 take two updates for a lie
	}
	if !e.Proves() {
		return fmt.Errorf("evidence: %w: the two statements can both be honest", ledger.ErrMalformed)
	}
	m.proofs.Add(e)
	return nil
}
