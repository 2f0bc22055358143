package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/gossip/conduct"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/intake"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/trace"
)

// site is one site: its disk, which outlives crashes, and while it is up its process.
type site struct {
	Site
	w  *World
	id peer.ID
	i  int

	// On disk.
	log    []round.Record
	saved  []time.Duration             // when each of these records was made durable
	holds  map[block.CID]time.Duration // artifacts in full, since when
	models map[block.CID]bool          // those of them that are models
	lost   bool                        // this disk was lost at some time
	rolled bool                        // it was put back to an earlier state at some time

	announced map[uint64]block.CID // its updates by opening, the newest attempt

	// The process.
	up        bool
	life      uint32 // counts starts and crashes
	machine   *round.Machine
	clock     clock
	alarm     time.Duration // when it rings next, in world time; 0: not
	wakeAt    time.Duration // when the machine wants to be woken; never before alarm
	syncing   bool          // records are on their way to the disk
	unsynced  round.Work    // what waits for that
	inbox     []round.Event // what came meanwhile
	training  map[block.CID]*runs.Train
	fetching  []*fetch
	steps     uint64 // since it looked at what the machine keeps
	allowance runs.Allowance
	acts      []round.Event      // of the operator, for when it is up
	wants     map[block.CID]bool // changes of the roster that the operator has approved of

	intake   *intake.Intake        // judges what comes
	conduct  *conduct.Conduct      // of the others
	banned   map[int]time.Duration // whom it refuses, until when
	bannedBy int                   // how often others have banned it

	// What faults do to it at the moment.
	slow    float64       // times as slow, over Site.Slow
	sync    time.Duration // over Site.Sync
	stalled int           // the disk hangs
	sick    int           // trainings fail

	liar    *Liar // nil: honest
	traffic Traffic
}

// Traffic is what a site has sent and received, messages and blocks, and how often it has signed
// and checked a signature.
type Traffic struct {
	MessagesSent, MessagesReceived int64
	MessageBytesSent               int64
	MessageBytesReceived           int64
	BlockBytesSent                 int64
	BlockBytesReceived             int64
	Signed, Verified               int64
}

func newSite(w *World, i int, id peer.ID, c Site) *site {
	s := &site{Site: c, w: w, id: id, i: i, holds: map[block.CID]time.Duration{}, models: map[block.CID]bool{}, announced: map[uint64]block.CID{}, wants: map[block.CID]bool{}, slow: 1}
	if s.Slow == 0 {
		s.Slow = 1
	}
	if c.Adversary != nil {
		s.liar = newLiar(s, c.Adversary)
	}
	return s
}

func (s *site) honest() bool { return s.liar == nil && !s.lost }

// boot starts the site's process from its disk.
func (s *site) boot() {
	if s.up {
		return
	}
	m, err := round.New(round.Config{
		Strict: true, Eager: s.w.cfg.Eager,
		Self: s.id, Genesis: s.w.genesis, Timing: s.w.cfg.Timing,
		Sign:   func(data []byte) []byte { s.traffic.Signed++; return sign(s.id, data) },
		Verify: func(id peer.ID, data, sig []byte) bool { s.traffic.Verified++; return verify(id, data, sig) },
	})
	if err != nil {
		s.w.fail(s.i, "start", err.Error())
		return
	}
	if s.liar != nil {
		s.log = s.liar.wakes(s.log)
	}
	for _, r := range s.log {
		again, err := round.DecodeRecord(r.Encode()) // as it comes back from a disk
		if err == nil {
			err = m.Restore(again)
		}
		switch {
		case err != nil && s.liar != nil: // what it has signed by hand contradicts its log, and its machine refuses that
			s.w.observe(s.i, trace.StaysDown{Why: err.Error()})
			return
		case err != nil:
			s.w.fail(s.i, "restore", err.Error())
			return
		}
	}
	s.life++
	s.up, s.machine, s.clock = true, m, clock{Clock: s.Clock, boot: s.w.now}
	s.alarm, s.syncing, s.unsynced, s.inbox = 0, false, round.Work{}, nil
	s.training, s.fetching, s.allowance = map[block.CID]*runs.Train{}, nil, runs.Allowance{}
	s.intake, s.conduct, s.banned = intake.New(s.w.genesis.Block().CID, verify), &conduct.Conduct{}, map[int]time.Duration{}
	s.w.observe(s.i, trace.Up{})
	s.happen(round.Alarm{})
	s.w.net.started(s)
	acts := s.acts
	s.acts = nil
	for _, a := range acts {
		s.w.act(s, a)
	}
	if s.liar != nil {
		s.liar.boot()
	}
}

// crash ends the process as kill -9 or a power cut does: of the records that were on their way to the
// disk a part has come through, and nothing that waited for them was sent.
func (s *site) crash() {
	if !s.up {
		return
	}
	if s.syncing {
		kept := s.w.rng.IntN(len(s.unsynced.Save) + 1)
		s.keep(s.unsynced.Save[:kept])
	}
	s.up, s.syncing, s.unsynced = false, false, round.Work{}
	s.life++
	if s.w.check != nil {
		s.w.check.witness.forgets(s)
		s.w.check.regrets.forgets(s)
	}
	for _, f := range s.fetching {
		f.over = true
	}
	s.w.observe(s.i, trace.Down{})
	s.w.net.stopped(s)
}

// loseDisk takes all that the site has on disk. Its key is kept elsewhere: the site comes back
// with it and a log that says that an earlier one is gone.
func (s *site) loseDisk() {
	s.crash()
	s.log, s.saved = nil, nil
	s.keep([]round.Record{{Born: &round.Born{Mesh: s.w.genesis.Block().CID, Site: s.id, Lost: true}}})
	s.discard(0)
	clear(s.announced)
	s.lost = true
	s.w.observe(s.i, trace.DiskLost{})
	if s.w.check != nil {
		s.w.check.gone(s)
	}
}

// keep has records on the site's disk.
func (s *site) keep(records []round.Record) {
	for range records {
		s.saved = append(s.saved, s.w.now)
	}
	s.log = append(s.log, records...)
}

// discard takes from the site what it has held since a time.
func (s *site) discard(since time.Duration) {
	for m, at := range s.holds {
		if at >= since {
			s.w.holders[m] = without(s.w.holders[m], s)
			delete(s.holds, m)
			delete(s.models, m)
		}
	}
}

// rollBack puts the site's disk back to what it was a while ago: log and artifacts. A snapshot is of a log that has begun; a
// liar's log is its own affair.
func (s *site) rollBack(ago time.Duration) {
	s.crash()
	if s.liar != nil || len(s.log) == 0 {
		return
	}
	since := max(s.w.now-ago, s.saved[0]+1)
	kept, _ := slices.BinarySearch(s.saved, since)
	s.log, s.saved = s.log[:kept:kept], s.saved[:kept:kept]
	s.discard(since)
	s.rolled = true
	s.w.observe(s.i, trace.RolledBack{})
	if s.w.check != nil {
		s.w.check.gone(s)
	}
}

// happen steps the machine, or keeps the event until the disk is done.
func (s *site) happen(ev round.Event) {
	if s.liar != nil {
		if ev = s.liar.hears(ev); ev == nil {
			return
		}
	}
	if s.syncing {
		s.inbox = append(s.inbox, ev)
		return
	}
	s.step(ev)
	s.work()
}

func (s *site) step(ev round.Event) {
	if r, ok := ev.(round.Received); ok && s.w.check != nil && s.liar == nil {
		s.w.check.witness.hears(s, r.Message)
	}
	s.machine.Step(s.local(), ev)
}

func (s *site) local() time.Duration { return s.clock.local(s.w.now) }

// work makes durable what the machine says, then does the rest.
func (s *site) work() {
	w := s.machine.Ready()
	if w.Halt != nil {
		s.w.fail(s.i, "halt", w.Halt.Error()) // all machines here are of one version
	}
	if s.w.cfg.Work != nil {
		s.w.cfg.Work(s.w.now, s.i, w)
	}
	for _, b := range w.Blame {
		s.blame(b.Peer, b.Why)
	}
	if s.w.check != nil {
		s.w.check.saving(s, w.Save)
		if s.liar == nil {
			s.w.check.kept(s)
		}
	}
	if len(w.Save) == 0 || s.Sync+s.sync == 0 && s.stalled == 0 {
		s.synced(w)
		return
	}
	s.syncing, s.unsynced = true, w
	s.syncSoon()
}

// syncSoon has the records reach the disk, unless it hangs.
func (s *site) syncSoon() {
	if !s.syncing || s.stalled > 0 {
		return
	}
	life := s.life
	wait := s.Sync + s.sync
	s.w.after(wait+time.Duration(s.w.rng.Int64N(int64(wait)+1)), func() {
		if s.life != life || !s.syncing || s.stalled > 0 {
			return
		}
		w := s.unsynced
		s.syncing, s.unsynced = false, round.Work{}
		s.synced(w)
		s.stepInbox()
	})
}

// stepInbox steps what came while the disk was busy, and syncs once for all of it.
func (s *site) stepInbox() {
	if s.syncing || len(s.inbox) == 0 || !s.up {
		return
	}
	inbox := s.inbox
	s.inbox = nil
	for _, ev := range inbox {
		s.step(ev)
	}
	s.work()
}

// synced does what had to wait for the disk: durable before sent, sent before begun.
func (s *site) synced(w round.Work) {
	s.keep(w.Save)
	if s.w.check != nil {
		s.w.check.witness.saved(s)
	}
	for _, r := range w.Save {
		if r.Decided != nil {
			s.w.decided(s)
		}
	}
	for _, t := range w.Trace {
		if s.w.check != nil {
			s.w.check.sees(s, t)
		}
		s.w.traced(s, t.Kind())
		s.w.moved(s, t)
		s.w.observe(s.i, t)
	}
	for _, send := range w.Send {
		if s.w.check != nil && s.liar == nil {
			s.w.check.sends(s, send.Message)
		}
		if s.liar != nil {
			s.liar.sends(send)
		} else {
			s.w.net.send(s, send)
		}
	}
	for _, j := range w.Jobs {
		s.start(j)
	}
	s.setAlarm(w.Alarm)
}

// setAlarm wakes the machine at a time of its clock. One alarm is in the queue at most that can
// still ring; the machine asks for the next with each step.
func (s *site) setAlarm(local time.Duration) {
	if local == 0 {
		s.alarm = 0
		return
	}
	at := s.clock.world(local)
	if s.alarm != 0 && s.alarm <= at && s.alarm >= s.w.now {
		s.wakeAt = at
		return
	}
	s.wakeAt = at
	s.ringAt(at)
}

func (s *site) ringAt(at time.Duration) {
	s.alarm = max(at, s.w.now)
	life, rings := s.life, s.alarm
	s.w.at(at, func() {
		if s.life != life || s.alarm != rings {
			return
		}
		s.alarm = 0
		if s.wakeAt > s.w.now {
			s.ringAt(s.wakeAt)
			return
		}
		s.happen(round.Alarm{})
	})
}

// decided notes that a site's ledger has grown.
func (w *World) decided(s *site) {
	w.net.decided++
	for _, r := range s.machine.Ledger().Runs() {
		if r.Active() && r.Round > w.rounds {
			w.rounds = r.Round
			w.roundOpened()
		}
	}
}

// Violation is a broken promise: what, when and where.
type Violation struct {
	Promise string
	At      time.Duration
	Site    int // -1: the mesh
	Text    string
}

func (v *Violation) Error() string {
	return fmt.Sprintf("%v: site %d: %s: %s", v.At, v.Site, v.Promise, v.Text)
}

// fail ends the run with a violation; the first counts.
func (w *World) fail(site int, promise, text string) {
	if w.failed == nil {
		w.failed = &Violation{Promise: promise, At: w.now, Site: site, Text: text}
	}
}

func without(list []*site, gone *site) []*site {
	for i, s := range list {
		if s == gone {
			return append(list[:i:i], list[i+1:]...)
		}
	}
	return list
}
