package runs

import (
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// offersStating lets a site's update arrive that states samples and the norm of its change.
func (m *mesh) offersStating(site int, samples uint64, norm ledger.Norm, manifest block.CID) {
	m.t.Helper()
	r := m.run()
	u := &ledger.Update{
		Run: r.ID, Round: r.Round, Opened: r.Opened, Attempt: 1, Base: r.Base, Samples: samples, Manifest: manifest, Metrics: map[string]float64{}, Norm: norm,
	}
	if early, err := m.runs.Receive(sign(m.ledger.Mesh(), m.sites[site], ledger.KindUpdate, u)); early || err != nil {
		m.t.Fatal(early, err)
	}
}

// TestNormIsHeldTo: an update whose author states another norm than its change has, or none, is of no use, though another site offers
// the same bytes and says what is so; below the protocol that brings norms nobody looks at them.
func TestNormIsHeldTo(t *testing.T) {
	for protocol, want := range map[uint64]int{ledger.BoundsProtocol - 1: 3, ledger.BoundsProtocol: 1} {
		m := newMeshUnder(t, protocol)
		m.norm = 2.5
		same := name("the same bytes")
		m.offersStating(1, 100, ledger.NewNorm(2.5), same)
		m.offersStating(2, 100, ledger.NewNorm(2), same)
		m.offersStating(3, 100, ledger.Norm{}, name("another update"))
		m.work()
		in := 0
		for site := range m.sites {
			if u := m.runs.of(m.run().ID).offers.of(m.sites[site]).best; u != nil {
				in++
			}
		}
		if in != want {
			t.Errorf("protocol %d: %d updates may be sealed, want %d", protocol, in, want)
		}
	}
}

// TestChangeIsOfTheBase: what a fetch finds of equal bytes beside another base is told of the update that was trained from that alone,
// or a liar's late copy would spoil an honest update.
func TestChangeIsOfTheBase(t *testing.T) {
	m := newMeshUnder(t, ledger.BoundsProtocol)
	same := name("the same bytes")
	m.offersStating(1, 100, ledger.NewNorm(1), same)
	u := m.runs.of(m.run().ID).offers.of(m.sites[1]).updates[0]
	m.runs.Fetched(Fetched{Manifest: same, Layout: m.spec.Layout, Base: name("another base"), Norm: 9, Invalid: "too long a change"})
	m.runs.Fetched(Fetched{Manifest: same, Layout: m.spec.Layout})
	if u.held || u.invalid != "" {
		t.Fatalf("held: %v, invalid: %q", u.held, u.invalid)
	}
	m.runs.Fetched(Fetched{Manifest: same, Layout: m.spec.Layout, Base: m.run().Base, Norm: 1})
	if !u.usable() {
		t.Errorf("its own fetch has ended, and it is not usable: %q", u.invalid)
	}
}

// TestSealIsCapped: a site forms its seals by the cap, and finds one that leaves a liar more not valid; with share: open, and under
// earlier protocols, an update weighs what its samples say.
func TestSealIsCapped(t *testing.T) {
	for _, c := range []struct {
		protocol uint64
		share    ledger.Share
		want     uint64
	}{{ledger.BoundsProtocol, ledger.Capped, 300}, {ledger.BoundsProtocol, ledger.OpenShare, 1 << 40}, {ledger.BoundsProtocol - 1, ledger.OpenShare, 1 << 40}} {
		m := newMeshUnder(t, c.protocol)
		if c.share != ledger.Capped {
			spec := *m.spec
			spec.Name, spec.Bounds = "open", ledger.NewBounds(ledger.Bounded{Share: c.share})
			m.spec = &spec
			m.decide(m.open())
			m.runs.Considered(Considered{Run: m.run().ID, Accept: true})
			m.work()
		}
		m.runs.Trained(Trained{Run: m.run().ID, Round: 1, Opened: m.run().Opened, Attempt: 1, Manifest: name("own"), Samples: 100, Metrics: map[string]float64{}})
		for site := 1; site < 4; site++ {
			samples := uint64(100)
			if site == 3 {
				samples = 1 << 40
			}
			m.offersStating(site, samples, ledger.NewNorm(0), name("update of %d", site))
		}
		m.work()
		seal, ok := m.wanted().(*ledger.Seal)
		if !ok || len(seal.Updates) != 4 || seal.Updates[3].Weight != c.want || seal.Updates[0].Weight != 100 {
			t.Fatalf("protocol %d, share %q: it wants %+v", c.protocol, c.share, m.wanted())
		}
		entry := &ledger.Entry{Mesh: m.ledger.Mesh(), Height: m.ledger.Height() + 1, Parent: m.ledger.Head(), Body: seal}
		if err := m.ledger.Check(entry); err != nil {
			t.Fatal(err)
		}
		seal.Updates[3].Weight++
		if err := m.ledger.Check(entry); err == nil || !strings.Contains(err.Error(), "its samples give") {
			t.Errorf("protocol %d, share %q: of a seal by other weights it finds: %v", c.protocol, c.share, err)
		}
		seal.Updates[3].Weight--
		if c.share != ledger.Capped {
			continue
		}
		m.decide(seal) // the liar's is dropped: the others keep the weights of the first seal
		g := &ledger.Ground{Kind: ledger.Unavailable, Dropped: m.sites[:1]}
		rest, err := m.ledger.Remaining(m.run(), g)
		if err != nil || len(rest) != 3 || rest[2].Weight != c.want {
			t.Errorf("a second seal has %+v, %v", rest, err)
		}
		m.decide(&ledger.Seal{Run: m.run().ID, Round: 1, Opened: m.run().Opened, Number: 1, Ground: g, Updates: rest})
	}
}
