package runs

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// mesh is four sites, of which the first is looked at from inside.
type mesh struct {
	t      *testing.T
	ledger *ledger.Ledger
	sites  []peer.ID
	out    *out
	runs   *Runs
	spec   *ledger.RunSpec
	norm   float64 // of every change, as fetches find it
}

// out keeps what the site asks for. No site is proven to lie, and this one may speak.
type out struct {
	self peer.ID
	mesh block.CID
	now  time.Duration
	jobs []Job
}

func (o *out) Now() time.Duration                                { return o.now }
func (o *out) Save(*ledger.Signed)                               {}
func (o *out) Publish(*ledger.Signed, uint64, func(uint64) bool) {}
func (o *out) Start(j Job)                                       { o.jobs = append(o.jobs, j) }
func (o *out) Trace(trace.Event)                                 {}
func (o *out) Sign(kind ledger.Kind, body ledger.Body) *ledger.Signed {
	return sign(o.mesh, o.self, kind, body)
}
func (o *out) Verify(*ledger.Signed) error { return nil }
func (o *out) MayOffer() bool              { return true }
func (o *out) Accused(peer.ID) bool        { return false }
func (o *out) Version() uint64             { return 0 }

// sign stands for Ed25519: nobody forges here.
func sign(mesh block.CID, id peer.ID, kind ledger.Kind, body ledger.Body) *ledger.Signed {
	return ledger.Sign(mesh, id, kind, body, func([]byte) []byte { return []byte(id) })
}

func name(format string, args ...any) block.CID {
	return block.Sum(block.DagCBOR, fmt.Appendf(nil, format, args...))
}

// newMesh returns a mesh that has opened a run in which all take part.
func newMesh(t *testing.T) *mesh { return newMeshUnder(t, 1) }

// newMeshUnder is newMesh under a protocol.
func newMeshUnder(t *testing.T, protocol uint64) *mesh {
	m := &mesh{t: t}
	var members []ledger.Site
	for i := range 4 {
		m.sites = append(m.sites, peer.ID('a'+rune(i)))
		members = append(members, ledger.Site{ID: m.sites[i], Name: fmt.Sprint(i + 1)})
	}
	genesis, err := ledger.NewGenesis("test", ledger.Byzantine, members, make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	if protocol > 1 {
		genesis.Under(protocol, "test")
	}
	m.ledger = ledger.NewLedger(genesis, func(peer.ID, []byte, []byte) bool { return true })
	m.out = &out{self: m.sites[0], mesh: m.ledger.Mesh()}
	m.runs = New(Config{
		Self: m.sites[0], Ledger: m.ledger, Out: m.out, Proofs: m.out, Voice: m.out, Strict: true,
		Timing: Timing{Deadline: 2 * time.Second, Unavailable: 2 * time.Minute, Retry: 5 * time.Second},
		Sites:  allThere{},
	})
	m.runs.Begin()
	m.spec = &ledger.RunSpec{Name: "r", By: m.sites[0], Base: name("base"), Layout: name("layout"), Rounds: 3, Nonce: make([]byte, 16)}
	m.spec.Default(protocol)
	m.decide(m.open())
	m.runs.Considered(Considered{Run: m.run().ID, Accept: true})
	m.work()
	return m
}

// open returns the entry that opens the run, with the others' consents if the protocol wants them.
func (m *mesh) open() *ledger.Open {
	o := &ledger.Open{Spec: *m.out.Sign(ledger.KindOpen, m.spec)}
	if m.ledger.Protocol(m.ledger.Height()+1).Number < ledger.AskProtocol {
		return o
	}
	for _, id := range m.sites[1:] {
		o.Consents = append(o.Consents, *sign(m.ledger.Mesh(), id, ledger.KindConsent, &ledger.Consent{Run: m.spec.ID(), Accept: true, Serial: 1}))
	}
	return o
}

func (m *mesh) run() *ledger.Run { return m.ledger.Run(m.spec.ID()) }

// trains reports whether the site trains in a run.
func (m *mesh) trains(run block.CID) bool { return m.runs.states[run].training.job != nil }

// decide adds an entry to the ledger, and does what follows.
func (m *mesh) decide(d ledger.Decision) {
	m.t.Helper()
	m.append(&ledger.Entry{Mesh: m.ledger.Mesh(), Height: m.ledger.Height() + 1, Parent: m.ledger.Head(), Body: d})
	m.work()
}

// append adds an entry to the ledger.
func (m *mesh) append(e *ledger.Entry) {
	m.t.Helper()
	if err := m.ledger.Check(e); err != nil {
		m.t.Fatal(err)
	}
	m.ledger.Apply(e, &ledger.Certificate{})
	m.runs.Decided(e)
}

// work does the site's jobs until there are none; a training is left to the test.
func (m *mesh) work() {
	for m.runs.Follow(); len(m.out.jobs) > 0; m.runs.Follow() {
		j := m.out.jobs[0]
		m.out.jobs = m.out.jobs[1:]
		switch j := j.(type) {
		case Fetch:
			m.runs.Fetched(Fetched{Manifest: j.Manifest, Layout: j.Layout, Base: j.Base, Norm: m.norm})
		case Reduce:
			m.runs.Reduced(Reduced{Seal: j.Seal, Model: name("model of %s", j.Seal)})
		}
	}
}

// offers lets a site's update arrive.
func (m *mesh) offers(site int) {
	m.t.Helper()
	r := m.run()
	u := &ledger.Update{
		Run: r.ID, Round: r.Round, Opened: r.Opened, Attempt: 1, Base: r.Base, Samples: 100,
		Manifest: name("update %d of %d at %v", site, r.Round, m.out.now), Metrics: map[string]float64{},
	}
	if site == 0 {
		m.runs.Trained(Trained{Run: u.Run, Round: u.Round, Opened: u.Opened, Attempt: u.Attempt, Manifest: u.Manifest, Samples: u.Samples})
	} else if early, err := m.runs.Receive(sign(m.ledger.Mesh(), m.sites[site], ledger.KindUpdate, u)); early || err != nil {
		m.t.Fatal(early, err)
	}
	m.work()
}

// wanted returns what the site would have decided.
func (m *mesh) wanted() ledger.Decision {
	var wanted ledger.Decision
	m.runs.Wanted(func(d ledger.Decision) *ledger.Entry {
		wanted = d
		return nil
	})
	return wanted
}

// TestRound: what a site wants in a round is a seal of all updates, and then the model that it has computed.
func TestRound(t *testing.T) {
	m := newMesh(t)
	for site := range m.sites {
		if d := m.wanted(); d != nil {
			t.Fatalf("it wants %s with %d of 4 updates", d, site)
		}
		m.offers(site)
	}
	seal, ok := m.wanted().(*ledger.Seal)
	if !ok || len(seal.Updates) != len(m.sites) {
		t.Fatalf("it wants %v, not a seal of all", m.wanted())
	}
	m.decide(seal)
	commit, ok := m.wanted().(*ledger.Commit)
	if !ok || commit.Model != name("model of %s", m.run().Latest().CID) {
		t.Fatalf("it wants %v, not its model", m.wanted())
	}
	m.decide(commit)
	if r := m.run(); r.Round != 2 || r.Base != commit.Model || m.wanted() != nil {
		t.Errorf("then it is in round %d and wants %v", r.Round, m.wanted())
	}
}

// TestConstantsAreHeldBeforeAVote: a site votes for the opening of a run once it holds what the run begins with, whole, and
// trains no sooner.
func TestConstantsAreHeldBeforeAVote(t *testing.T) {
	m := newMesh(t)
	constants := name("constants")
	spec := *m.spec
	spec.Name, spec.Base, spec.Constants = "with", name("another base"), ledger.NewConstants(ledger.Beside{Tensors: constants})
	open := &ledger.Entry{Mesh: m.ledger.Mesh(), Height: m.ledger.Height() + 1, Parent: m.ledger.Head(), Body: &ledger.Open{Spec: *m.out.Sign(ledger.KindOpen, &spec)}}
	fetches := func() (list []Fetch) {
		for _, j := range m.out.jobs {
			if f, ok := j.(Fetch); ok {
				list = append(list, f)
			}
		}
		return list
	}
	if m.runs.Holds(open) {
		t.Fatal("it holds what it has never fetched")
	}
	want := []Fetch{{Run: spec.ID(), Manifest: spec.Base, Layout: spec.Layout}, {Run: spec.ID(), Manifest: constants}}
	if got := fetches(); !slices.Equal(got, want) {
		t.Fatalf("it fetches %v, want %v", got, want)
	}
	m.runs.Fetched(Fetched{Manifest: spec.Base, Layout: spec.Layout})
	if m.runs.Holds(open) {
		t.Fatal("the base alone is enough for a vote")
	}
	m.runs.Fetched(Fetched{Manifest: constants})
	if !m.runs.Holds(open) {
		t.Fatal("both are held, and it does not vote")
	}
	m.runs.Lost(Lost{Manifest: constants})
	m.out.jobs = nil
	m.append(open)
	m.runs.Considered(Considered{Run: spec.ID(), Accept: true})
	m.runs.Follow()
	if got := fetches(); !slices.Equal(got, want[1:]) {
		t.Errorf("after a loss it fetches %v", got)
	}
	if m.trains(spec.ID()) {
		t.Error("it trains without the constants")
	}
	m.work()
	if m.runs.Follow(); !m.trains(spec.ID()) {
		t.Error("it does not train")
	}
}

// TestDeadlineIsBounded: a site that comes ever later does not make the others wait ever longer.
func TestDeadlineIsBounded(t *testing.T) {
	m := newMesh(t)
	for site := range m.sites {
		m.offers(site)
	}
	m.decide(m.wanted())
	m.decide(m.wanted())
	r, p := m.run(), m.runs.states[m.run().ID]
	if r.Round != 2 {
		t.Fatalf("in round %d", r.Round)
	}
	for _, c := range []struct {
		slow time.Duration // that one of the four took, in rounds before
		want time.Duration
	}{{20 * time.Second, 30 * time.Second}, {time.Hour, 80 * time.Second}} {
		p.pace.arrivals = nil
		for range 5 {
			p.pace.arrivals = append(p.pace.arrivals, time.Second, time.Second, time.Second, c.slow)
		}
		p.pace.lookBack(r.Spec.Needed(m.ledger.Roster()))
		began := m.out.now
		p.pace.openedAt[r.Opened] = began
		for site := 1; site < len(m.sites); site++ { // the last of them after ten seconds
			if _, ok := p.sealDeadline(); ok {
				t.Errorf("%d updates are enough", site-1)
			}
			m.out.now += 10 * time.Second / 3
			m.offers(site)
		}
		if d, ok := p.sealDeadline(); !ok || (d-began).Round(time.Second) != c.want {
			t.Errorf("one took %v: the deadline is after %v, want %v", c.slow, d-began, c.want)
		}
		for _, c := range p.offers.order {
			c.updates = nil
			p.recount(c)
		}
	}
}

// allThere are sites that are all connected.
type allThere struct{}

func (allThere) Reaches(peer.ID) bool                                           { return true }
func (allThere) Heard(peer.ID, time.Duration)                                   {}
func (allThere) Gone(peer.ID, time.Duration, time.Duration) (left, before bool) { return false, false }
