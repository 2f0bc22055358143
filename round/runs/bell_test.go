package runs

import (
	"strings"
	"testing"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// newBoxedMesh returns a mesh whose run has a round time of a minute, in which the site trains.
func newBoxedMesh(t *testing.T) *mesh {
	m := newMeshUnder(t, ledger.PaceProtocol)
	spec := *m.spec
	spec.Name, spec.Pace = "boxed", ledger.NewPace(ledger.Paced{RoundTime: 60_000})
	m.spec = &spec
	m.decide(m.open())
	m.runs.Considered(Considered{Run: m.run().ID, Accept: true})
	return m
}

// offersAfter lets a site's update arrive that states so many steps; 0: none.
func (m *mesh) offersAfter(site int, steps uint64, manifest block.CID) {
	m.t.Helper()
	r := m.run()
	u := &ledger.Update{
		Run: r.ID, Round: r.Round, Opened: r.Opened, Attempt: 1, Base: r.Base, Samples: 100, Manifest: manifest, Metrics: map[string]float64{},
		Norm: ledger.NewNorm(0), Steps: ledger.NewSteps(steps),
	}
	if early, err := m.runs.Receive(sign(m.ledger.Mesh(), m.sites[site], ledger.KindUpdate, u)); early || err != nil {
		m.t.Fatal(early, err)
	}
}

// TestBell: a training gets the time until the bell, updates state their steps, and are waited for a quarter of the round time after
// the bell, however long others took before.
func TestBell(t *testing.T) {
	m := newBoxedMesh(t)
	m.runs.Follow()
	var left time.Duration
	for _, j := range m.out.jobs {
		if j, ok := j.(Train); ok && j.Run == m.run().ID {
			left = j.Left
		}
	}
	if left != time.Minute {
		t.Errorf("the training has %v until the bell, want a minute", left)
	}
	m.work()
	m.runs.Trained(Trained{Run: m.run().ID, Round: 1, Opened: m.run().Opened, Attempt: 1, Manifest: name("own"), Samples: 100, Steps: 7, Metrics: map[string]float64{}})
	for site := 1; site < 3; site++ {
		m.offersAfter(site, 9, name("update of %d", site))
	}
	m.work()
	if d := m.wanted(); d != nil {
		t.Fatalf("it wants %s before the bell", d)
	}
	m.out.now += 74 * time.Second
	m.work()
	if d := m.wanted(); d != nil {
		t.Fatalf("it wants %s before the last update has had its time after the bell", d)
	}
	m.out.now += 2 * time.Second
	m.work()
	seal, ok := m.wanted().(*ledger.Seal)
	if !ok || len(seal.Updates) != 3 {
		t.Fatalf("after the bell it wants %+v", m.wanted())
	}
	m.decide(seal)
	for i, in := range m.run().Inputs(seal) {
		if want := []uint64{7, 9, 9}[i]; in.Steps != want {
			t.Errorf("input %d has %d steps, want %d", i, in.Steps, want)
		}
	}
}

// TestNoSteps: with a round time an update without steps counts nowhere, and a trainer that says none has failed.
func TestNoSteps(t *testing.T) {
	m := newBoxedMesh(t)
	m.work()
	m.runs.Trained(Trained{Run: m.run().ID, Round: 1, Opened: m.run().Opened, Attempt: 1, Manifest: name("own"), Samples: 100, Metrics: map[string]float64{}})
	for site := 1; site < 4; site++ {
		m.offersAfter(site, 0, name("update of %d", site))
	}
	m.work()
	m.out.now += time.Hour
	if d := m.wanted(); d != nil {
		t.Errorf("it wants %s of updates that state no steps", d)
	}
	silent := &ledger.Update{Run: m.run().ID, Round: 1, Opened: m.run().Opened, Attempt: 1, Base: m.run().Base, Manifest: name("own"), Samples: 100, Metrics: map[string]float64{}}
	if _, err := m.ledger.Staleness(m.run(), sign(m.ledger.Mesh(), m.sites[1], ledger.KindUpdate, silent)); err == nil || !strings.Contains(err.Error(), "no steps") {
		t.Errorf("an update without steps: %v", err)
	}
}
