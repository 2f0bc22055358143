package round

import (
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/membership"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/trace"
)

// How a site that has started with a log learns whether it has said more than the log knows: a virtual machine, a disk or a
// directory may have been put back to an earlier state, signed promises with it. It asks the others for what it has said
// itself, and holds its votes and offers back for as long as that takes. Nobody's word counts but its own: what comes back is
// verified with its own key. Who answers nothing, or claims what it cannot show, costs patience at most.

const (
	// recallFor is how long after its start a site waits for others to connect and answer, unless its timing says otherwise.
	recallFor = 10 * time.Second
	// recallAgain is how often a site is asked that does not answer.
	recallAgain = time.Second
	// recallProtocol is the number by whose programs sites answer. Others show what they hold by their heads alone.
	recallProtocol = 4
	maxSaid        = 1024 // statements in an answer
)

// Said is what a site knows that another has said: of the height that it decides, of active runs, and for later. It answers a
// head that says that its sender has restarted.
type Said struct {
	Height uint64          `cbor:"height"` // newest decided by who answers
	List   []ledger.Signed `cbor:"list"`   // the newest votes first
}

func (s *Said) check() error {
	if len(s.List) > maxSaid {
		return fmt.Errorf("said: %w: %d statements, at most %d", ledger.ErrMalformed, len(s.List), maxSaid)
	}
	for i := range s.List {
		if _, err := s.List[i].Open(); err != nil {
			return err
		}
	}
	return nil
}

// saidBy gathers what a machine knows that another site has said. What does not fit is what matters least.
func saidBy(m *Machine, id peer.ID) *Said {
	list := append(consensus.SaidBy(m.consensus, id), m.runs.SaidBy(id)...)
	for _, r := range m.early.list {
		if s := r.Message.Statement; s.From == id {
			list = append(list, s)
		}
	}
	said := &Said{Height: m.ledger.Height(), List: []ledger.Signed{}}
	size := 0
	for _, s := range list {
		if size += s.Size(); len(said.List) > 0 && size > batchBytes || len(said.List) == maxSaid {
			break
		}
		said.List = append(said.List, *s)
	}
	return said
}

// recall is a site's asking for what it has said itself, from its start until enough have answered.
type recall struct {
	asks   bool
	until  time.Duration             // when who has not connected or answered is waited for no longer
	told   map[peer.ID]bool          // who has answered
	asked  map[peer.ID]time.Duration // when each was asked last, at this height
	height uint64
}

// begin has the site ask. It waits so long for others to connect and answer; for fewer than a quorum, itself included, it waits on
// before it votes: they would decide nothing anyway.
func (r *recall) begin(now, wait time.Duration) {
	*r = recall{asks: true, height: r.height, until: now + wait, told: map[peer.ID]bool{}, asked: map[peer.ID]time.Duration{}}
}

// answered notes that a site has told all that it knew, being no further than this one: what is said of heights that this site
// has yet to catch up with cannot be judged here.
func (r *recall) answered(from peer.ID, height uint64) {
	if r.asks && height <= r.height {
		r.told[from] = true
	}
}

// advance has all who have not answered asked at once: this site may understand them now.
func (r *recall) advance(height uint64) {
	if r.asks && height > r.height {
		clear(r.asked)
	}
	r.height = height
}

// shown notes that a neighbour was shown a head, by which this site asks.
func (r *recall) shown(to peer.ID, now time.Duration) {
	if r.asks {
		r.asked[to] = now
	}
}

// due returns when a neighbour that has not answered is to be asked.
func (r *recall) due(id peer.ID) (at time.Duration, ok bool) {
	if !r.asks || r.told[id] {
		return 0, false
	}
	at, asked := r.asked[id]
	if asked {
		at += recallAgain
	}
	return at, true
}

// done ends the asking.
func (r *recall) done() { *r = recall{height: r.height} }

// holds says what the site holds back: its votes until a quorum with it has answered, and all who are connected or it has
// waited for long enough; who is connected to fewer, as behind a hub, has heard enough from all of them by then. Its offers until all others have answered, or it has waited.
func (r *recall) holds(now time.Duration, roster *ledger.Roster, self peer.ID, reaches, accused func(peer.ID) bool) (votes, offers bool) {
	if !r.asks {
		return false, false
	}
	answered, connected, missing, away := 0, 0, false, false
	for _, site := range roster.Sites() {
		if site.ID != self && reaches(site.ID) {
			connected++
		}
		switch {
		case site.ID == self:
		case r.told[site.ID]:
			answered++
		case reaches(site.ID):
			missing = true
		case accused(site.ID): // is not waited for
		default:
			away = true
		}
	}
	waited := now >= r.until
	need := roster.Quorum() - 1
	if waited && need > 0 {
		need = max(1, min(need, connected))
	}
	votes = answered < need || missing && !waited
	offers = (missing || away) && !waited
	return votes, offers
}

// listen has a machine ask who has not answered, and hold back what it might contradict. It speaks once it has heard enough:
// the times of the view count from then.
func listen(m *Machine) {
	m.recall.advance(m.ledger.Height())
	if !m.recall.asks {
		return
	}
	votes, offers := m.recall.holds(m.out.now, m.roster(), m.self, m.neighbours.Reaches, m.proofs.Accused)
	if m.observes() {
		votes, offers = false, false // its key was removed meanwhile: it says nothing that could contradict anything
	}
	held := m.voice.Held()
	m.voice.Hold(votes, offers)
	if held && !votes {
		m.consensus.Begin()
	}
	if !votes && !offers {
		m.recall.done()
		return
	}
	for _, id := range m.neighbours.Connected() {
		if at, asks := m.recall.due(id); asks && at <= m.out.now {
			m.sendHead(id)
		}
	}
}

// receiveSaid takes a neighbour's answer. One that tells of heights that this site has yet to catch up with is no answer yet:
// it is asked again.
func receiveSaid(m *Machine, from peer.ID, said *Said) error {
	if !m.recall.asks || m.recall.told[from] {
		return nil
	}
	for i := range said.List {
		s := &said.List[i]
		if s.From != m.self {
			return fmt.Errorf("said: %w: a statement of %s, which has not asked", ledger.ErrMalformed, m.ledger.Name(s.From))
		}
		body, err := s.Open()
		if err != nil {
			return err
		}
		if at, ok := body.(ledger.AtHeight); ok && at.At() > m.consensus.Number() {
			return nil
		}
		if err := receiveOwn(m, s); err != nil {
			if forged := m.out.Verify(s); forged != nil {
				return forged
			}
			m.out.Trace(trace.Rejected{Subject: trace.Of(from), Why: err.Error()}) // its own, and counts no more: the rest may
		}
	}
	m.recall.answered(from, said.Height)
	return nil
}

// receiveOwn takes a statement of the machine's own site that another shows it; most were relayed and say nothing new.
func receiveOwn(m *Machine, s *ledger.Signed) error {
	switch {
	case m.observes():
		return nil
	case membership.Handles(s.Kind):
		return m.members.ReceiveOwn(s)
	case runs.Handles(s.Kind):
		return m.runs.ReceiveOwn(s)
	}
	return m.consensus.ReceiveOwn(s)
}
