package round

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/membership"
	"github.com/weft-mesh/weft/round/peerlog"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/trace"
)

// Config is what a machine is given for good.
type Config struct {
	Self    peer.ID
	Genesis *ledger.Genesis
	Sign    func(data []byte) []byte // with Self's key; deterministic, as Ed25519 is
	Verify  ledger.Verifier          // may remember what it has checked
	Timing  Timing
	Strict  bool // panic on what is a bug of ours: for tests and the simulator
	Eager   bool // look at everything after every event, changed or not: the oracle that tests compare with

	Weft     string // version of this program, told to the other sites; may be empty
	Protocol uint64 // newest protocol number that this program knows; 0: ledger.Newest
}

// Machine is one site's protocol. Its methods must not be called concurrently.
type Machine struct {
	cfg    Config
	self   peer.ID
	ledger *ledger.Ledger

	consensus  *consensus.Agreement
	voice      *consensus.Voice
	runs       *runs.Runs
	members    *membership.Members
	proofs     *peerlog.Proofs
	outbox     *peerlog.Outbox
	neighbours *peerlog.Neighbours
	early      early
	recall     recall
	out        *effects

	born     *Born
	begun    bool   // stepped since New
	version  uint64 // counts changes of who can be reached, and the end of a silence
	lookedAt uint64 // sum of the rooms' versions when candidates were looked at last
	halted   error  // why this program cannot follow the mesh any further
}

// never is a sum of versions that no machine has: what was restored is to be looked at once.
const never = math.MaxUint64

// New returns the machine of a site at genesis; of a key that the genesis does not list, that of an observer,
// which becomes a site's when the roster lists it. Hand it the records of its log with [Machine.Restore]
// before the first Step.
func New(cfg Config) (*Machine, error) {
	if err := cfg.Genesis.Validate(); err != nil {
		return nil, err
	}
	l := ledger.NewLedger(cfg.Genesis, cfg.Verify)
	l.Understand(cmp.Or(cfg.Protocol, ledger.Newest))
	out := &effects{cfg: cfg, ledger: l, outbox: peerlog.NewOutbox(cfg.Self, cfg.Timing.Resend, cfg.Timing.ResendCap)}
	m := &Machine{
		cfg: cfg, self: cfg.Self, ledger: l, out: out, outbox: out.outbox, voice: &consensus.Voice{},
		neighbours: peerlog.NewNeighbours(cfg.Timing.Head), lookedAt: never,
	}
	m.proofs = peerlog.NewProofs(out)
	m.members = membership.New(membership.Config{Self: cfg.Self, Ledger: l, Verify: cfg.Verify, Out: out})
	m.runs = runs.New(runs.Config{
		Self: cfg.Self, Ledger: l, Timing: cfg.Timing.runs(), Out: out, Proofs: m.proofs, Voice: m.voice, Sites: m.neighbours, Strict: cfg.Strict,
	})
	m.consensus = consensus.New(consensus.Config{
		Mesh: l.Mesh(), Self: cfg.Self, Timing: cfg.Timing.consensus(), Voice: m.voice, Out: votes{out, m.proofs},
		App: &app{ledger: l, runs: m.runs, members: m.members},
	}, 1, l.Head(), l.Roster())
	return m, l.Known()
}

// Ledger returns the site's ledger, for reading between two Steps.
func (m *Machine) Ledger() *ledger.Ledger { return m.ledger }

// View returns the view of the height being decided in which the site is.
func (m *Machine) View() uint64 { return m.consensus.View() }

// Observers returns the keys that may be shown the ledger and committed models, so that they can join.
func (m *Machine) Observers() []peer.ID { return m.members.Observers() }

// Changes returns the changes of the roster that sites ask for.
func (m *Machine) Changes() []membership.PendingChange { return m.members.Changes() }

// CheckApproval says whether this site's operator may approve of a change now.
func (m *Machine) CheckApproval(c *ledger.Change) error { return m.members.CheckApproval(c) }

// CheckTakeBack says whether this site's operator may take back an approval of a change: there must be one.
func (m *Machine) CheckTakeBack(c *ledger.Change) error { return m.members.CheckTakeBack(c) }

// Participates reports whether a site has said, as far as this site knows, that it takes part in a run.
func (m *Machine) Participates(run block.CID, id peer.ID) bool { return m.runs.Participates(run, id) }

// Said returns what a site has said of a run, as far as this site knows.
func (m *Machine) Said(run block.CID, id peer.ID) runs.Said { return m.runs.Said(run, id) }

// Asked returns the runs that are asked for and not open.
func (m *Machine) Asked() []runs.AskedRun { return m.runs.Asked() }

// Named returns the sites that have been proven to lie.
func (m *Machine) Named() []peer.ID { return m.proofs.Named(m.roster()) }

func (m *Machine) roster() *ledger.Roster { return m.ledger.Roster() }

// observes reports whether this site's key is none of the mesh's sites: not yet, or no longer. It then
// follows the ledger and holds models, but says nothing of its own, save that it wants to join.
func (m *Machine) observes() bool { return !m.roster().Has(m.self) }

// others returns how many other sites the mesh has.
func (m *Machine) others() int {
	if m.observes() {
		return m.roster().Len()
	}
	return m.roster().Len() - 1
}

// Step tells the machine what happened at a time, which never goes back. Then take [Machine.Ready].
func (m *Machine) Step(now time.Duration, ev Event) {
	m.out.at(now)
	if m.halted != nil {
		return
	}
	m.begin()
	switch e := ev.(type) {
	case Received:
		m.receive(e)
	case Connected:
		m.connect(e.Peer)
	case Disconnected:
		m.neighbours.Disconnect(e.Peer, m.roster().Has(e.Peer), m.out.now)
		m.version++
	case runs.Considered:
		m.runs.Considered(e)
	case runs.Trained:
		m.runs.Trained(e)
	case runs.TrainFailed:
		m.runs.TrainFailed(e)
	case runs.Skipped:
		m.runs.Skipped(e)
	case runs.Troubled:
		runs.Complain(m.runs, e)
	case runs.Fetched:
		m.runs.Fetched(e)
	case runs.Lost:
		m.runs.Lost(e)
	case runs.Reduced:
		m.reduced(e)
	case runs.Measured:
		m.runs.Measured(e)
	case runs.OpenRun:
		m.runs.Ask(e.Spec)
	case runs.StopRun:
		m.runs.Stop(e)
	case Approve:
		m.members.Approve(e.Change)
	case TakeBack:
		m.members.TakeBack(e.Change)
	}
	m.settle()
}

// begin starts the log, and lets the times of what was restored count from the first Step on: a log has no clock.
func (m *Machine) begin() {
	if !m.begun {
		m.begun = true
		m.neighbours.Begin(m.out.now)
		m.consensus.Begin()
		m.runs.Begin()
		if m.born != nil && !m.observes() {
			m.recall.begin(m.out.now, m.cfg.Timing.Recall)
			listen(m)
		}
	}
	if m.born == nil {
		m.bear(&Born{Mesh: m.ledger.Mesh(), Site: m.self})
	}
}

func (m *Machine) bear(b *Born) {
	m.born = b
	m.out.save(Record{Born: b})
}

// reduced takes a model that this site has computed, and compares it with what the others are ready to commit.
func (m *Machine) reduced(e runs.Reduced) {
	if !m.runs.Reduced(e) {
		return
	}
	m.consensus.Each(func(x consensus.Entry, ready []peer.ID) {
		commit := ledger.As[ledger.Commit](x.(*ledger.Entry))
		if commit == nil || commit.Seal != e.Seal {
			return
		}
		for _, from := range ready {
			if from != m.self {
				m.runs.Compare(from, commit)
			}
		}
	})
}

// settle lets everything that follows from the last event happen.
func (m *Machine) settle() {
	if m.voice.Recover(m.roster(), m.others()) {
		m.unmuted()
	}
	if m.voice.Muted() && !m.born.Lost {
		m.bear(&Born{Mesh: m.ledger.Mesh(), Site: m.self, Lost: true})
		m.out.Trace(trace.FallsSilent{Subject: trace.At(m.voice.Height()), Late: !m.recall.asks})
	}
	listen(m)
	for m.halted == nil {
		m.refresh()
		if !m.agree() {
			break
		}
	}
	if m.halted != nil {
		return
	}
	m.consensus.TellLarge()
	m.resend()
	if to, due := m.neighbours.Turn(m.out.now); due {
		m.sendHead(to)
	}
	m.out.alarm(m.nextAlarm())
}

// Ready hands over the work that has come up since the last call.
func (m *Machine) Ready() Work {
	w := m.out.take()
	w.Halt = m.halted
	return w
}

// nextAlarm returns the earliest time at which something is due.
func (m *Machine) nextAlarm() time.Duration {
	next := m.neighbours.HeadAt()
	soonest := func(t time.Duration) {
		if t > m.out.now && t < next {
			next = t
		}
	}
	m.consensus.Alarm(soonest)
	for _, id := range m.neighbours.Connected() {
		if at, asks := m.recall.due(id); asks {
			soonest(at)
		}
	}
	soonest(m.recall.until)
	soonest(m.outbox.Next())
	soonest(m.runs.Due())
	return next
}

// unmuted ends the silence of a site that lost its log, or a part of it, for good.
func (m *Machine) unmuted() {
	m.version++
	m.bear(&Born{Mesh: m.ledger.Mesh(), Site: m.self, Until: m.voice.Until()})
	m.out.Trace(trace.VotesAgain{Subject: trace.At(m.voice.Height())})
}

// refresh starts what the runs need next, and looks which candidates this site wants and is ready for. It
// does nothing unless something has changed: what there is to see follows from the rooms and the time.
func (m *Machine) refresh() {
	versions := m.version + m.voice.Version() + m.consensus.Version() + m.runs.Version() + m.members.Version() + m.proofs.Version()
	if versions == m.lookedAt && m.out.now < m.runs.Due() && !m.cfg.Eager {
		return
	}
	m.lookedAt = versions
	m.runs.Follow()
	m.members.JoinAgain()
	if !m.observes() {
		m.consensus.Look()
	}
	m.runs.FindDue()
}

// agree applies the first rule of the agreement that can be; it reports whether one could.
func (m *Machine) agree() bool {
	if e, cert, ok := m.consensus.Certified(); ok {
		m.decide(e.(*ledger.Entry), cert)
		return true
	}
	return m.consensus.Step()
}

// decide adds an entry to the ledger and turns to the next height.
func (m *Machine) decide(e *ledger.Entry, cert *ledger.Certificate) {
	m.consensus.CompareVotes(cert)
	m.ledger.Apply(e, cert)
	m.out.save(Record{Decided: &ledger.Certified{Entry: e.Data(), Certificate: *cert}})
	m.consensus.Decided(cert)
	m.out.Trace(trace.Decided{Subject: trace.In(e.Run(), 0).At(e.Height), View: cert.View, Decision: decision(e)})
	m.advance(e)
	for _, r := range m.early.take() {
		m.receive(r)
	}
}

// advance turns to the height after a decided entry.
func (m *Machine) advance(e *ledger.Entry) {
	m.consensus.Advance(e.Height+1, e.CID(), m.roster())
	m.members.Advance()
	m.runs.Advance()
	m.proofs.Advance(e.Height)
	if c := ledger.As[ledger.Changed](e); c != nil {
		m.changed(e, c)
	} else {
		m.runs.Decided(e)
	}
	m.halt(m.ledger.Known())
}

// halt ends all that this machine does, if there is a reason.
func (m *Machine) halt(why error) {
	if why != nil && m.halted == nil {
		m.halted = why
		m.out.Trace(trace.Halted{Subject: trace.At(m.ledger.Height()), Why: why.Error()})
	}
}

// changed turns to a new roster.
func (m *Machine) changed(e *ledger.Entry, d *ledger.Changed) {
	c, r := &d.Change, m.roster()
	m.out.Trace(trace.RosterChanged{Subject: trace.At(e.Height), Entry: e.CID(), Words: c.String(), Sites: r.Len(), F: r.F(), Quorum: r.Quorum()})
	m.members.Decided()
	m.voice.Extend(e.Height)
	if c.Remove != nil {
		m.runs.Removed(c.Remove.ID)
		if c.Remove.ID == m.self {
			m.out.Trace(trace.Observes{Subject: trace.At(e.Height).Of(m.self)})
		}
	}
	joined := peer.ID("")
	if c.Add != nil {
		joined = c.Add.ID
	}
	m.runs.Joined(joined)
	if joined == m.self {
		m.admitted(e.Height, d)
	}
	for _, s := range []*ledger.Site{c.Remove, c.Add} {
		if s != nil && m.neighbours.Reaches(s.ID) { // so that it learns of it at once, and before it is cut off
			m.sendCertified(s.ID, min(e.Height-1, m.neighbours.Height(s.ID))+1)
		}
	}
	m.members.Forget()
}

// admitted makes the observer a site. If this log holds the join that the entry brings, then the key
// has never been a site's before the log began, so nothing can be lost of what it has voted.
func (m *Machine) admitted(height uint64, d *ledger.Changed) {
	m.out.Trace(trace.Admitted{Subject: trace.At(height).Of(m.self)})
	if m.voice.Muted() && m.members.Joined(d) {
		m.voice.Admit()
		m.unmuted()
	}
}

// early are messages that cannot be judged yet. Of one author the oldest goes first; its sender repeats
// it, so nothing is lost when there is too much.
type early struct{ list []Received }

// maxEarly is how many messages are kept for the next height, of each author.
const maxEarly = 8

func (e *early) keep(r Received) {
	author := r.Message.Statement.From
	of, oldest := 0, -1
	for i := range e.list {
		if e.list[i].Message.Statement.From == author {
			if of++; oldest < 0 {
				oldest = i
			}
		}
	}
	if of >= maxEarly {
		e.list = slices.Delete(e.list, oldest, oldest+1)
	}
	e.list = append(e.list, r)
}

// take returns what was kept, to be judged again.
func (e *early) take() []Received {
	list := e.list
	e.list = nil
	return list
}
