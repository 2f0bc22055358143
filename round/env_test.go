package round

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/trace"
)

// env is a mesh of machines in one goroutine: messages wait until a test delivers them, and jobs
// are done at once on pretended artifacts, except training, which a test ends.
type env struct {
	t       testing.TB
	genesis *ledger.Genesis
	sites   []*simSite
	known   []ledger.Site  // of them all; those after the genesis' are to join
	asked   *ledger.Change // the last
	gates   bool           // drivers connect with anyone
	ask     bool           // operators answer on what is asked for; else every site consents
	now     time.Duration
	wire    []letter
	holds   map[block.CID]map[int]bool // artifact -> sites that hold it
	timing  Timing
	out     *strings.Builder // the transcript, if any

	broken map[int]bool         // sites that compute wrong models
	lies   map[int]bool         // sites whose updates are found invalid
	spoilt map[int]bool         // sites whose updates cannot be aggregated
	idle   bool                 // reductions hang
	sent   int                  // messages so far
	liars  map[block.CID]string // manifests whose content is invalid, and why
	signed map[string]string    // (site, place) -> body: no site signs twice
	chain  map[uint64]block.CID // decided by any site, ever
}

// simSite is a machine with its log and its unfinished jobs.
type simSite struct {
	*Machine
	num       int
	log       []Record
	alarm     time.Duration
	down      bool
	admitted  string // by what its driver decides whom to connect with, when it last looked
	training  map[block.CID]runs.Train
	seeking   map[block.CID]runs.Fetch
	queue     []Event
	hung      []runs.Job
	figures   *ledger.Measured // of every base; nil: it measures none
	measuring []runs.Measure
}

// known returns the updates of a site that may still count, as far as s knows.
func (s *simSite) known(of peer.ID) (list []*ledger.Update) {
	for _, r := range s.ledger.Runs() {
		for _, u := range s.runs.Known(r.ID, of) {
			list = append(list, u.Statement.Update())
		}
	}
	return list
}

// decide has a site take an entry as decided, whoever votes for it.
func (s *simSite) decideAlone(x *ledger.Entry) {
	s.ledger.Apply(x, nil)
	s.advance(x)
}

// samples is what a site's trainings see.
func (s *simSite) samples() uint64 { return uint64(100 + s.num) }

type letter struct {
	from, to int
	msg      *Message
	at       time.Duration // earliest delivery, in random runs
}

func testID(i int) peer.ID {
	seed := block.Sum(block.Raw, fmt.Appendf(nil, "test site %d", i)).Digest()
	pub := ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)
	key, err := crypto.UnmarshalEd25519PublicKey(pub)
	if err != nil {
		panic(err)
	}
	id, err := peer.IDFromPublicKey(key)
	if err != nil {
		panic(err)
	}
	return id
}

// testSign stands for Ed25519: nothing in these tests forges.
func testSign(id peer.ID, data []byte) []byte {
	d := block.Sum(block.Raw, append([]byte(id), data...)).Digest()
	return d[:]
}

func testVerify(id peer.ID, data, sig []byte) bool { return bytes.Equal(testSign(id, data), sig) }

func testGenesis(n int, faults ledger.Faults) *ledger.Genesis {
	ids := make([]peer.ID, n)
	for i := range ids {
		ids[i] = testID(i)
	}
	slices.SortFunc(ids, ledger.CompareIDs)
	sites := make([]ledger.Site, n)
	for i, id := range ids {
		sites[i] = ledger.Site{ID: id, Name: fmt.Sprint(i + 1)}
	}
	g, err := ledger.NewGenesis("test", faults, sites, make([]byte, 16))
	if err != nil {
		panic(err)
	}
	return g
}

func newEnv(t testing.TB, n int, faults ledger.Faults) *env { return newJoinEnv(t, n, 0, faults) }

// newJoinEnv returns a mesh of n sites, and machines of further keys that its genesis does not list.
func newJoinEnv(t testing.TB, n, joiners int, faults ledger.Faults) *env {
	return newEnvOf(t, testGenesis(n, faults), joiners)
}

// newEnvOf returns the mesh of a genesis, and machines of further keys that it does not list.
func newEnvOf(t testing.TB, g *ledger.Genesis, joiners int) *env {
	n := len(g.Sites)
	e := &env{
		t: t, genesis: g, holds: map[block.CID]map[int]bool{}, timing: DefaultTiming(),
		broken: map[int]bool{}, lies: map[int]bool{}, spoilt: map[int]bool{}, liars: map[block.CID]string{}, signed: map[string]string{}, chain: map[uint64]block.CID{},
	}
	e.known = slices.Clone(e.genesis.Sites)
	for i := n; i < n+joiners; i++ {
		e.known = append(e.known, ledger.Site{ID: testID(i), Name: fmt.Sprint(i + 1)})
	}
	for i := range e.known {
		e.sites = append(e.sites, &simSite{num: i + 1})
		e.boot(e.sites[i])
	}
	for _, s := range e.sites {
		e.connect(s)
	}
	return e
}

// num returns the number of the site with that key.
func (e *env) num(id peer.ID) int {
	return slices.IndexFunc(e.known, func(s ledger.Site) bool { return s.ID == id }) + 1
}

// boot makes a site's machine from its log.
func (e *env) boot(s *simSite) {
	id := e.known[s.num-1].ID
	m, err := New(Config{
		Strict: true,
		Self:   id, Genesis: e.genesis, Timing: e.timing, Verify: testVerify,
		Sign: func(data []byte) []byte { return testSign(id, data) },
	})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, r := range s.log {
		again, err := DecodeRecord(r.Encode()) // as it comes back from a disk
		if err != nil {
			e.t.Fatal(err)
		}
		if err := m.Restore(again); err != nil {
			e.t.Fatalf("site %d: restore: %v", s.num, err)
		}
	}
	s.Machine, s.down, s.queue = m, false, nil
	s.training, s.seeking, s.hung = map[block.CID]runs.Train{}, map[block.CID]runs.Fetch{}, nil
	e.step(s, Alarm{})
}

func (e *env) connect(s *simSite) {
	for _, o := range e.sites {
		if o != s && !o.down && e.linked(s, o) {
			e.step(s, Connected{o.self})
			e.step(o, Connected{s.self})
		}
	}
}

// linked reports whether the drivers of two sites keep a connection: both let the other in.
func (e *env) linked(a, b *simSite) bool {
	admits := func(s, o *simSite) bool {
		known := s.ledger.HasBeen(o.self) // who observes lets in those whom its operator named: any that it does not know
		return e.gates || s.roster().Has(o.self) || slices.Contains(s.Observers(), o.self) || s.observes() && !known
	}
	return admits(a, b) && admits(b, a)
}

// relink connects and disconnects what a change of the roster, or of a site's approvals, asks for.
func (e *env) relink() {
	for _, s := range e.sites {
		for _, o := range e.sites {
			if s == o || s.down || o.down || s.Machine == nil || o.Machine == nil {
				continue
			}
			if now := e.linked(s, o); now && !s.neighbours.Reaches(o.self) {
				e.step(s, Connected{o.self})
			} else if !now && s.neighbours.Reaches(o.self) {
				e.step(s, Disconnected{o.self})
			}
		}
	}
}

func (e *env) crash(s *simSite) {
	s.down = true
	e.wire = slices.DeleteFunc(e.wire, func(l letter) bool { return l.to == s.num })
	for _, o := range e.sites {
		if !o.down {
			e.step(o, Disconnected{s.self})
		}
	}
}

func (e *env) restart(s *simSite) {
	e.boot(s)
	e.connect(s)
}

// step steps a machine and does its work and the quick jobs that come of it.
func (e *env) step(s *simSite, ev Event) {
	s.queue = append(s.queue, ev)
	for len(s.queue) > 0 && !s.down {
		ev := s.queue[0]
		s.queue = s.queue[1:]
		s.Step(e.now, ev)
		e.do(s, s.Ready())
	}
	if now := fmt.Sprint(s.roster().Version(), s.Observers()); now != s.admitted {
		before := s.admitted
		s.admitted = now
		if before != "" {
			e.relink()
		}
	}
}

func (e *env) do(s *simSite, w Work) {
	for _, r := range w.Save {
		s.log = append(s.log, r)
		e.checkSave(s, r)
	}
	for _, t := range w.Trace {
		e.print(s, t)
	}
	for _, send := range w.Send {
		e.sent++
		if e.sent%32 > 0 {
			// every message decodes; looking at some keeps the random schedules quick
		} else if _, err := DecodeMessage(send.Message.Encode()); err != nil {
			e.t.Fatalf("site %d sends what does not decode: %v", s.num, err)
		}
		for _, o := range e.sites {
			to := send.To == o.self || send.To == "" && s.roster().Has(o.self) // what is said to all is for sites only
			if o != s && to && o.Machine != nil && e.linked(s, o) {
				e.wire = append(e.wire, letter{s.num, o.num, send.Message, 0})
			}
		}
	}
	s.alarm = w.Alarm
	for _, j := range w.Jobs {
		e.job(s, j)
	}
}

// checkSave holds the two promises of a log: no two statements for one place, one entry a height.
func (e *env) checkSave(s *simSite, r Record) {
	if r.Decided != nil {
		entry, err := ledger.DecodeEntry(r.Decided.Entry)
		if err != nil {
			e.t.Fatal(err)
		}
		if old, ok := e.chain[entry.Height]; ok && old != entry.CID() {
			e.t.Fatalf("site %d decides %s at height %d, another site decided otherwise", s.num, entry, entry.Height)
		}
		e.chain[entry.Height] = entry.CID()
	}
	if r.Statement != nil {
		body, _ := r.Statement.Open()
		key := ""
		switch b := body.(type) {
		case *ledger.Vote:
			key = fmt.Sprint(s.num, r.Statement.Kind, b.Height, b.View)
		case *consensus.Proposal:
			key = fmt.Sprint(s.num, r.Statement.Kind, b.Height, b.View)
		case *ledger.Update:
			if b.Samples != s.samples() { // whatever the attempt
				e.t.Fatalf("site %d weighs %d, it trained on %d", s.num, b.Samples, s.samples())
			}
			return
		default:
			return
		}
		if old, ok := e.signed[key]; ok && old != string(r.Statement.Body) {
			e.t.Fatalf("site %d signs twice: %s", s.num, key)
		}
		e.signed[key] = string(r.Statement.Body)
	}
}

func (e *env) hold(s *simSite, c block.CID) {
	if e.holds[c] == nil {
		e.holds[c] = map[int]bool{}
	}
	e.holds[c][s.num] = true
	for _, o := range e.sites { // those that seek it find it now
		if _, ok := o.seeking[c]; ok && o != s && !o.down && !s.down {
			e.job(o, o.seeking[c])
			if o.alarm > 0 && len(o.queue) > 0 {
				e.step(o, Alarm{})
			}
		}
	}
}

func (e *env) job(s *simSite, j runs.Job) {
	switch j := j.(type) {
	case runs.Consider:
		s.queue = append(s.queue, runs.Considered{Run: j.Run, Accept: true})
	case runs.Weigh:
		if !e.ask {
			s.queue = append(s.queue, runs.Considered{Run: j.Run, Accept: true, Samples: s.samples()})
		}
	case runs.Train:
		s.training[j.Run] = j
	case runs.StopTrain:
		delete(s.training, j.Run)
	case runs.Fetch:
		e.fetch(s, j)
	case runs.Forget:
		delete(s.seeking, j.Manifest)
	case runs.Measure:
		s.measuring = append(s.measuring, j)
	case runs.Reduce:
		if e.idle {
			s.hung = append(s.hung, j)
			return
		}
		for _, in := range j.Inputs {
			if e.spoilt[e.num(in.Site)] {
				s.queue = append(s.queue, runs.Reduced{Seal: j.Seal, Bad: &runs.BadInput{Site: in.Site, Shard: block.Sum(block.Raw, []byte("shard")), Err: "not finite"}})
				return
			}
		}
		h := []byte(fmt.Sprint("model", j.Base))
		for _, in := range j.Inputs {
			h = fmt.Append(h, in.Manifest, in.Weight, in.Base)
		}
		if e.broken[s.num] {
			h = fmt.Append(h, "broken", s.num)
		}
		model := block.Sum(block.DagCBOR, h)
		e.hold(s, model)
		s.queue = append(s.queue, runs.Reduced{Seal: j.Seal, Model: model})
	}
}

func (e *env) fetch(s *simSite, j runs.Fetch) {
	if why := e.liars[j.Manifest]; why != "" {
		s.queue = append(s.queue, runs.Fetched{Manifest: j.Manifest, Layout: j.Layout, Base: j.Base, Invalid: why})
		return
	}
	for num := range e.holds[j.Manifest] {
		if num == s.num || !e.sites[num-1].down {
			delete(s.seeking, j.Manifest)
			if !e.holds[j.Manifest][s.num] {
				e.hold(s, j.Manifest)
			}
			s.queue = append(s.queue, runs.Fetched{Manifest: j.Manifest, Layout: j.Layout, Base: j.Base})
			return
		}
	}
	s.seeking[j.Manifest] = j
}

// trained ends a site's training under way; it reports whether there was one.
func (e *env) trained(s *simSite) bool {
	for run, j := range s.training {
		delete(s.training, run)
		manifest := block.Sum(block.DagCBOR, fmt.Append(nil, "update", s.num, j.Round, j.Opened, j.Base, j.Attempt))
		if e.lies[s.num] {
			e.liars[manifest] = "another layout"
		}
		e.hold(s, manifest)
		e.step(s, runs.Trained{
			Run: run, Round: j.Round, Opened: j.Opened, Attempt: j.Attempt, Manifest: manifest, Samples: s.samples(), Metrics: map[string]float64{"loss": 1}, Figures: s.figures, Lent: s.num < 4,
		})
		return true
	}
	return false
}

func (e *env) deliver(i int) {
	l := e.wire[i]
	e.wire = slices.Delete(e.wire, i, i+1)
	if to := e.sites[l.to-1]; !to.down {
		e.step(to, Received{e.sites[l.from-1].self, l.msg, 0})
	}
}

// wake steps the sites whose alarms are due.
func (e *env) wake() {
	for _, s := range e.sites {
		if !s.down && s.alarm > 0 && s.alarm <= e.now {
			e.step(s, Alarm{})
		}
	}
}

// stabilize delivers everything, in order, until the wire is empty.
func (e *env) stabilize() {
	for n := 0; len(e.wire) > 0; n++ {
		if n > 200000 {
			e.t.Fatal("the wire never gets empty")
		}
		e.deliver(0)
	}
}

// pass lets time pass, at most d, with everything delivered, until something is so.
func (e *env) pass(d time.Duration, until func() bool) {
	for end := e.now + d; e.now < end && !until(); {
		e.stabilize()
		e.now += 100 * time.Millisecond
		e.wake()
	}
}

func (e *env) spec(rounds uint64) *ledger.RunSpec {
	layout := block.Sum(block.DagCBOR, []byte("layout"))
	base := block.Sum(block.DagCBOR, []byte("base"))
	s := &ledger.RunSpec{Name: "r", By: e.sites[0].self, Base: base, Layout: layout, Rounds: rounds, Nonce: make([]byte, 16)}
	s.Default(1)
	return s
}

func (e *env) open(spec *ledger.RunSpec) {
	e.hold(e.sites[0], spec.Base)
	e.step(e.sites[0], runs.OpenRun{Spec: spec})
}

// print writes an event as transcripts show it.
func (e *env) print(s *simSite, t trace.Event) {
	if e.out == nil {
		return
	}
	about := t.About()
	fmt.Fprintf(e.out, "%d %s", s.num, t.Kind())
	if about.Height > 0 {
		fmt.Fprintf(e.out, " h%d", about.Height)
	}
	vote := func(view uint64, entry block.CID) {
		what := "nil"
		if c := s.consensus.Snapshot().Candidates[entry]; c.Entry != nil {
			what = c.Entry.(*ledger.Entry).String()
		} else if entry.Defined() {
			what = "decided" // by this vote
		}
		fmt.Fprintf(e.out, " v%d %s\n", view, what)
	}
	switch t := t.(type) {
	case trace.ViewBegun:
		fmt.Fprintf(e.out, " v%d", t.View)
	case trace.Proposed:
		fmt.Fprintf(e.out, " v%d", t.View)
	case trace.Decided:
		fmt.Fprintf(e.out, " v%d", t.View)
	case trace.Prevoted:
		vote(t.View, t.Entry)
		return
	case trace.Precommitted:
		vote(t.View, t.Entry)
		return
	}
	if about.Round > 0 {
		fmt.Fprintf(e.out, " round %d", about.Round)
	}
	if about.Site != "" {
		fmt.Fprintf(e.out, " of %d", e.num(about.Site))
	}
	if text := t.Text(); text != "" {
		fmt.Fprintf(e.out, ": %s", text)
	}
	fmt.Fprintln(e.out)
}

// random plays a seeded schedule: delays, losses, crashes and restarts, then a calm end.
func (e *env) random(rng *rand.Rand, until time.Duration, loss float64, crashes int) {
	for e.now < until {
		for i := range e.wire {
			if e.wire[i].at == 0 {
				e.wire[i].at = e.now + time.Duration(rng.ExpFloat64()*float64(60*time.Millisecond)) + 1
			}
		}
		e.now += 20 * time.Millisecond
		rng.Shuffle(len(e.wire), func(i, j int) { e.wire[i], e.wire[j] = e.wire[j], e.wire[i] })
		for i := 0; i < len(e.wire); {
			switch {
			case e.wire[i].at == 0 || e.wire[i].at > e.now:
				i++
			case rng.Float64() < loss:
				e.wire = slices.Delete(e.wire, i, i+1)
			default:
				e.deliver(i)
			}
		}
		e.wake()
		for _, s := range e.sites {
			switch down := 0; {
			case s.down:
				if rng.IntN(100) == 0 {
					e.restart(s)
				}
			case crashes > 0 && rng.IntN(400) == 0:
				for _, o := range e.sites {
					if o.down {
						down++
					}
				}
				if down < crashes {
					e.crash(s)
				}
			case rng.IntN(30) == 0:
				e.trained(s)
			}
		}
	}
}
