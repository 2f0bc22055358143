package round

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// Config is what a machine is given for good.
type Config struct {
	Self    peer.ID
	Genesis *ledger.Genesis
	Sign    func(data []byte) []byte // with Self's key; deterministic, as Ed25519 is
	Verify  ledger.Verifier          // may remember what it has checked
	Timing  Timing

	Weft     string // version of this program, told to the other sites; may be empty
	Protocol uint64 // newest protocol number that this program knows; 0: ledger.Newest
}

// never is a time that does not come.
const never = time.Duration(math.MaxInt64)

// Machine is one site's protocol. Its methods must not be called concurrently.
type Machine struct {
	cfg    Config
	self   peer.ID
	roster *ledger.Roster
	ledger *ledger.Ledger

	now   time.Duration
	work  Work
	begun bool          // stepped since New
	dirty bool          // something changed that candidates or readiness may depend on
	due   time.Duration // when the next deadline of a part comes

	height *height
	past   []*height     // those decided last, newest first: their votes may still prove a lie; a past one's view is its certificate's
	pace   time.Duration // propose timeout of view 0; grows with failed views, shrinks with quick heights

	parts  map[block.CID]*part // this site's part in each run
	held   map[model]bool      // models held in full
	sought map[model]peer.ID   // models being fetched, or found useless, and who asked for a run from one; empty: the mesh
	asked  []*ledger.Signed    // own open statements that are not decided yet
	stops  map[block.CID]map[peer.ID]*ledger.Signed

	changes map[block.CID]*pending // changes of the roster that are not decided
	joins   map[block.CID]bool     // own joins of this log since it began, or since the roster last changed

	outbox   []*standing
	resendAt time.Duration // when the next of them is due
	peers    map[peer.ID]*neighbour
	headAt   time.Duration
	headLast peer.ID // who got the last head in turn
	early    []Received
	forked   map[uint64]bool       // heights at which another entry is certified too
	named    map[peer.ID]*Evidence // sites proven to have signed two statements for one place

	born *Born
	mute mute

	halted error // why this program cannot follow the mesh any further

	buf []byte // of the signature being checked
}

// New returns the machine of a site at genesis; of a key that the genesis does not list, that of an observer,
// which becomes a site's when the roster lists it. Hand it the records of its log with [Machine.Restore]
// before the first Step.
func New(cfg Config) (*Machine, error) {
	if err := cfg.Genesis.Validate(); err != nil {
		return nil, err
	}
	m := &Machine{
		cfg: cfg, self: cfg.Self, ledger: ledger.NewLedger(cfg.Genesis, cfg.Verify), pace: cfg.Timing.Propose, dirty: true, due: never, resendAt: never,
		parts: map[block.CID]*part{}, held: map[model]bool{}, sought: map[model]peer.ID{},
		stops: map[block.CID]map[peer.ID]*ledger.Signed{}, peers: map[peer.ID]*neighbour{}, named: map[peer.ID]*Evidence{}, forked: map[uint64]bool{},
		changes: map[block.CID]*pending{}, joins: map[block.CID]bool{},
	}
	m.ledger.Understand(m.protocol())
	m.roster = m.ledger.Roster()
	m.height = newHeight(m.ledger)
	return m, m.ledger.Known()
}

// Ledger returns the site's ledger, for reading between two Steps.
func (m *Machine) Ledger() *ledger.Ledger { return m.ledger }

// View returns the view of the height being decided in which the site is.
func (m *Machine) View() uint64 { return m.height.view }

// Restore replays one record of the site's log. What it comes to was told when it happened.
func (m *Machine) Restore(r Record) error {
	defer func() { m.work.Trace = nil }()
	switch {
	case r.Born != nil:
		if r.Born.Mesh != m.ledger.Mesh() || r.Born.Site != m.self {
			return fmt.Errorf("log: %w: it is of site %s in mesh %s", ledger.ErrMalformed, r.Born.Site, r.Born.Mesh)
		}
		m.born = r.Born
		m.mute = mute{on: r.Born.Lost && m.others() > 0, until: r.Born.Until} // alone, there is nobody to contradict
	case r.Decided != nil:
		e, err := ledger.DecodeEntry(r.Decided.Entry)
		if err != nil {
			return err
		}
		if err := m.ledger.Append(e, &r.Decided.Certificate); err != nil {
			return err
		}
		m.past = nil
		m.advance(e)
	case r.Lock != nil:
		return m.restoreLock(r.Lock)
	case r.Evidence != nil:
		m.named[r.Evidence.A.From] = r.Evidence
	case r.Statement != nil:
		return m.restoreStatement(r.Statement)
	}
	return nil
}

func (m *Machine) restoreStatement(s *ledger.Signed) error {
	body, err := s.Open()
	if err != nil {
		return err
	}
	switch b := body.(type) {
	case *ledger.Vote:
		m.restoreVote(s, b.Height, b.View)
	case *ledger.Proposal:
		m.restoreVote(s, b.Height, b.View)
	case *ledger.RunSpec:
		m.asked = append(m.asked, s)
	case *ledger.Stop:
		m.noteStop(s, b)
	case *ledger.Change:
		return m.noteApproval(s, b)
	case *ledger.Withdraw:
		m.noteWithdrawal(s, b)
	case *ledger.Join:
		m.joins[block.Sum(block.DagCBOR, s.Body)] = true
	case *ledger.Consent:
		if p := m.part(b.Run); p != nil {
			m.noteConsent(p, s, b)
			p.considered = true
			m.publishConsent(s, b)
		}
	case *ledger.Update:
		if p := m.part(b.Run); p != nil {
			return m.noteUpdate(p, s)
		}
	}
	return nil
}

// Step tells the machine what happened at a time, which never goes back. Then take [Machine.Ready].
func (m *Machine) Step(now time.Duration, ev Event) {
	m.now = max(m.now, now)
	if m.halted != nil {
		return
	}
	m.begin()
	if m.born == nil {
		m.born = &Born{Mesh: m.ledger.Mesh(), Site: m.self}
		m.save(Record{Born: m.born})
	}
	switch e := ev.(type) {
	case Received:
		m.receive(e)
	case Connected:
		m.connect(e.Peer)
	case Disconnected:
		m.disconnect(e.Peer)
		m.dirty = true
	case Considered:
		m.consider(e)
	case Trained:
		m.trained(e)
	case TrainFailed:
		m.trainFailed(e)
	case Fetched:
		m.fetched(e)
	case Lost:
		m.lost(e)
	case Reduced:
		m.reduced(e)
	case OpenRun:
		m.openRun(e.Spec)
	case StopRun:
		m.stopRun(e)
	case Approve:
		m.approve(e.Change)
	case TakeBack:
		m.takeBack(e.Change)
	}
	m.settle()
}

// begin lets the times of what was restored count from the first Step on: a log has no clock.
func (m *Machine) begin() {
	if m.begun {
		return
	}
	m.begun = true
	m.height.since = m.now
	for _, p := range m.parts {
		for opened := range p.openedAt {
			p.openedAt[opened] = m.now
		}
		p.sealedAt = m.now
	}
}

// settle lets everything that follows from the last event happen.
func (m *Machine) settle() {
	m.speakAgain()
	for m.halted == nil {
		m.refresh()
		if !m.agree() {
			break
		}
	}
	if m.halted != nil {
		return
	}
	m.tellLarge()
	m.resend()
	m.sendHeads()
	m.work.Alarm = m.nextAlarm()
}

// Ready hands over the work that has come up since the last call.
func (m *Machine) Ready() Work {
	w := m.work
	m.work = Work{Alarm: w.Alarm}
	w.Halt = m.halted
	return w
}

// nextAlarm returns the earliest time at which something is due.
func (m *Machine) nextAlarm() time.Duration {
	next := m.headAt
	soonest := func(t time.Duration) {
		if t > m.now && t < next {
			next = t
		}
	}
	m.height.timers(m.timeout(), soonest)
	soonest(m.resendAt)
	soonest(m.due)
	return next
}

func (m *Machine) save(r Record) { m.work.Save = append(m.work.Save, r) }
func (m *Machine) start(j Job)   { m.work.Jobs = append(m.work.Jobs, j) }
func (m *Machine) trace(t Trace) { m.work.Trace = append(m.work.Trace, t) }
func (m *Machine) send(to peer.ID, msg *Message) {
	m.work.Send = append(m.work.Send, Send{to, msg})
}

// sign makes a statement of this site.
func (m *Machine) sign(kind ledger.Kind, body ledger.Body) *ledger.Signed {
	return ledger.Sign(m.ledger.Mesh(), m.self, kind, body, m.cfg.Sign)
}

// verify checks that a statement is signed by a site of the roster.
func (m *Machine) verify(s *ledger.Signed) error {
	return s.VerifyIn(&m.buf, m.ledger.Mesh(), m.roster, m.cfg.Verify)
}

// receive sorts an arrived message to where it belongs; what is refused is traced with its reason.
func (m *Machine) receive(r Received) {
	if r.From == m.self {
		return
	}
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
	}
	if err != nil {
		m.trace(Trace{Event: "rejected", Site: r.From, Text: err.Error()})
	}
}

func (m *Machine) receiveStatement(r Received) error {
	s := r.Message.Statement
	body, err := s.Open()
	if err != nil {
		return err
	}
	if s.From == m.self {
		return m.receiveOwn(s, body)
	}
	if j, ok := body.(*ledger.Join); ok {
		return m.receiveJoin(r, s, j)
	}
	if err := m.verify(s); errors.Is(err, ledger.ErrStranger) {
		return m.receiveStranger(r, body, err)
	} else if err != nil {
		return err
	}
	switch b := body.(type) {
	case *ledger.Change:
		return m.receiveApproval(r, s, b)
	case *ledger.Withdraw:
		m.receiveWithdrawal(r, s, b)
	case *ledger.Ready:
		if m.inHeight(r, b.Height) {
			return m.receiveReady(s, b)
		}
	case *ledger.Proposal:
		if m.inHeight(r, b.Height) {
			return m.receiveProposal(s, b)
		}
	case *ledger.Vote:
		if m.inHeight(r, b.Height) {
			return m.receiveVote(s, b)
		}
	case *ledger.Consent:
		return m.inRun(r, b.Run, 0, func(p *part) error { m.noteConsent(p, s, b); return nil })
	case *ledger.Update:
		return m.inRun(r, b.Run, b.Opened, func(p *part) error { return m.noteUpdate(p, s) })
	case *ledger.Stop:
		return m.inRun(r, b.Run, 0, func(*part) error { m.noteStop(s, b); return nil })
	}
	return nil
}

// inHeight reports whether a message is of the height being decided. An older one that its author has to
// repeat is answered with that height's certificate; a newer one says that this site lags.
func (m *Machine) inHeight(r Received, height uint64) bool {
	author := r.Message.Statement.From
	switch {
	case height < m.height.number:
		m.comparePast(r.Message.Statement)
		if r.Message.Attempt > 1 { // the first may only have been overtaken by the others' votes
			m.answer(author, height)
		}
	case height > m.height.number:
		m.keepEarly(r)
		m.lag(author)
	default:
		return true
	}
	return false
}

// inRun calls f with this site's part in a run, or keeps the message when it knows the run or the
// round's opening not yet.
func (m *Machine) inRun(r Received, run block.CID, opened uint64, f func(*part) error) error {
	if m.ledger.Run(run) == nil || opened > m.ledger.Height() {
		m.keepEarly(r)
		m.lag(r.Message.Statement.From)
		return nil
	}
	if p := m.part(run); p != nil {
		return f(p)
	}
	return nil
}

// keepEarly keeps what cannot be judged yet until the next height; of one author the oldest goes
// first. Its sender repeats it, so nothing is lost when there is too much.
func (m *Machine) keepEarly(r Received) {
	author := r.Message.Statement.From
	of, oldest := 0, -1
	for i := range m.early {
		if m.early[i].Message.Statement.From == author {
			if of++; oldest < 0 {
				oldest = i
			}
		}
	}
	if of >= maxEarly {
		m.early = slices.Delete(m.early, oldest, oldest+1)
	}
	m.early = append(m.early, r)
}
