package consensus_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
)

// decision is a word and the proof that it was decided.
type decision struct {
	word word
	cert *ledger.Certificate
}

// site is one site: its agreement, and as its owner what the agreement asks for.
type site struct {
	t        *testing.T
	net      *network
	id       peer.ID
	roster   *ledger.Roster
	voting   *consensus.Agreement // nil: it is down
	standing []*standing          // what it sends again
	silent   bool                 // it proposes, and nobody hears of it
	doomed   bool                 // it crashes as soon as it has locked an entry
	wakes    time.Duration        // when it starts again after that

	// On disk.
	decided []decision
	log     []any // *ledger.Signed or *consensus.Lock
}

// standing is an own statement that is sent again as long as it matters.
type standing struct {
	statement *ledger.Signed
	matters   func(sends uint64) bool
	sends     uint64
}

// start begins, or goes on from the disk.
func (s *site) start() {
	parent := mesh
	if n := len(s.decided); n > 0 {
		parent = s.decided[n-1].word.CID()
	}
	s.standing = nil
	s.voting = consensus.New(consensus.Config{
		Mesh: mesh, Self: s.id, App: s, Out: s, Voice: &consensus.Voice{},
		Timing: consensus.Timing{Propose: 500 * time.Millisecond, ProposeCap: 5 * time.Second},
	}, s.number(), parent, s.roster)
	for _, saved := range s.log {
		switch r := saved.(type) {
		case *ledger.Signed:
			s.voting.Restore(r)
		case *consensus.Lock:
			if err := s.voting.RestoreLock(r); err != nil {
				s.t.Error(err)
			}
		}
	}
	s.voting.Begin()
	s.remembers()
}

// remembers: a site that has crashed stands where it stood, with its votes and its lock.
func (s *site) remembers() {
	now := s.voting.Snapshot()
	for _, saved := range s.log {
		switch r := saved.(type) {
		case *ledger.Signed:
			body, _ := r.Open()
			v, ok := body.(*ledger.Vote)
			if ok && v.Height == now.Height && now.Voted[consensus.Vote{Kind: r.Kind, View: v.View}] != v.Entry {
				s.t.Errorf("%s has forgotten its %s of view %d", string(s.id), r.Kind, v.View)
			}
		case *consensus.Lock:
			if r.Height == now.Height && (now.View != r.View || !s.voting.IsReady(word(r.Entry).CID())) {
				s.t.Errorf("%s is in view %d, and was locked in view %d", string(s.id), now.View, r.View)
			}
		}
	}
}

// number returns the height that is being decided.
func (s *site) number() uint64 { return uint64(len(s.decided)) + 1 }

// work lets everything happen that follows from what has come, and from the time.
func (s *site) work() {
	if s.net.now < s.wakes {
		return
	}
	if s.voting == nil {
		s.start()
	}
	for s.voting.Look(); s.step(); s.voting.Look() {
	}
	if s.voting == nil {
		return
	}
	s.voting.TellLarge()
	if s.net.now%(300*time.Millisecond) == 0 {
		s.resend()
	}
}

// step decides, if a quorum has precommitted an entry, or applies one rule; it reports whether it could, and
// the site is up.
func (s *site) step() bool {
	if e, cert, ok := s.voting.Certified(); ok {
		s.append(decision{e.(word), cert})
		return true
	}
	return s.voting.Step() && s.voting != nil
}

func (s *site) append(d decision) {
	s.voting.CompareVotes(d.cert)
	s.decided = append(s.decided, d)
	s.voting.Decided(d.cert)
	s.voting.Advance(s.number(), d.word.CID(), s.roster)
}

// receive takes a message. A statement of an old height is answered with what was decided there.
func (s *site) receive(m message) {
	switch {
	case s.voting == nil: // it is down
	case m.decided != nil:
		if m.decided.cert.Height == s.number() && s.proven(m.decided) {
			s.append(*m.decided)
		}
	case s.Verify(m.statement) != nil:
		s.t.Errorf("%s: a signature does not verify", string(s.id))
	default:
		body, err := m.statement.Open()
		if err != nil {
			s.t.Fatal(err)
		}
		switch height := body.(ledger.AtHeight).At(); {
		case height < s.number():
			s.net.send(m.statement.From, message{decided: &s.decided[height-1]})
		case height == s.number():
			if err := s.voting.Receive(m.statement); err != nil {
				s.t.Errorf("%s: %v", string(s.id), err)
			}
		}
	}
}

// proven reports whether a quorum has signed a decision.
func (s *site) proven(d *decision) bool {
	for _, v := range d.cert.Votes {
		vote := d.cert.Vote(v)
		if s.Verify(&vote) != nil {
			return false
		}
	}
	return len(d.cert.Votes) >= s.roster.Quorum() && d.cert.Entry == d.word.CID()
}

// What the agreement asks for: [consensus.Out].

func (s *site) Now() time.Duration { return s.net.now }

func (s *site) Sign(kind ledger.Kind, body ledger.Body) *ledger.Signed {
	return ledger.Sign(mesh, s.id, kind, body, func(data []byte) []byte { return sign(s.id, data) })
}

func (s *site) Verify(st *ledger.Signed) error {
	return st.Verify(mesh, s.roster, func(id peer.ID, data, sig []byte) bool { return bytes.Equal(sign(id, data), sig) })
}

// sign stands for Ed25519: nobody forges here.
func sign(id peer.ID, data []byte) []byte {
	d := block.Sum(block.Raw, append([]byte(id), data...)).Digest()
	return d[:]
}

func (s *site) Save(st *ledger.Signed) {
	if s.voting != nil { // else it has just crashed
		s.log = append(s.log, st)
	}
}

func (s *site) SaveLock(l *consensus.Lock) {
	s.log = append(s.log, l)
	if s.doomed {
		s.doomed, s.voting, s.wakes = false, nil, s.net.now+3*time.Second
	}
}

func (s *site) Publish(st *ledger.Signed, _ uint64, matters func(sends uint64) bool) {
	if s.voting == nil {
		return
	}
	p := &standing{statement: st, matters: matters}
	s.standing = append(s.standing, p)
	s.tell(p)
}

func (s *site) resend() {
	s.standing = slices.DeleteFunc(s.standing, func(p *standing) bool { return !p.matters(p.sends) })
	for _, p := range s.standing {
		s.tell(p)
	}
}

func (s *site) tell(p *standing) {
	p.sends++
	for _, other := range s.roster.Sites() {
		if other.ID != s.id && (!s.silent || p.statement.Kind != consensus.KindProposal) {
			s.net.send(other.ID, message{statement: p.statement})
		}
	}
}

func (s *site) Contradiction(a, b *ledger.Signed) error {
	if !bytes.Equal(a.Body, b.Body) {
		s.t.Errorf("%s has signed two %ss for one place", string(a.From), a.Kind)
	}
	return nil
}

func (s *site) Note(consensus.Note) {}

// network carries messages, and the time. It loses one message in five.
type network struct {
	now  time.Duration
	rng  *rand.Rand
	wire []packet
	lost int
}

// message is a statement, or a decision for a site that lags.
type message struct {
	statement *ledger.Signed
	decided   *decision
}

type packet struct {
	message
	to  peer.ID
	due time.Duration
}

func (n *network) send(to peer.ID, m message) {
	if n.rng.IntN(5) == 0 {
		n.lost++
		return
	}
	n.wire = append(n.wire, packet{m, to, n.now + tick*time.Duration(1+n.rng.IntN(5))})
}

// arrived returns what has arrived by now.
func (n *network) arrived() (list []packet) {
	n.wire = slices.DeleteFunc(n.wire, func(p packet) bool {
		if p.due <= n.now {
			list = append(list, p)
		}
		return p.due <= n.now
	})
	return list
}
