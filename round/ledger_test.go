package round

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
)

// ledgerEnv returns a mesh of four whose run is in round 1 with all updates held and nothing sealed.
func ledgerEnv(t *testing.T) (*env, *ledger.Run) {
	e := newEnv(t, 4, ledger.Byzantine)
	e.open(e.spec(3))
	e.stabilize()
	for _, s := range e.sites[:3] {
		e.trained(s)
	}
	e.stabilize()
	return e, e.sites[0].ledger.Runs()[0]
}

// next returns an entry on the head.
func (e *env) next(x ledger.Entry) *ledger.Entry {
	l := e.sites[0].ledger
	return &ledger.Entry{Mesh: l.Mesh(), Height: l.Height() + 1, Parent: l.Head(), Body: x.Body}
}

func (e *env) sealNow() *ledger.Seal {
	m := e.sites[0].Machine
	r := m.ledger.Runs()[0]
	s := &ledger.Seal{Run: r.ID, Round: r.Round, Opened: r.Opened}
	for _, site := range m.roster().Sites() {
		for _, u := range m.runs.Known(r.ID, site.ID) {
			if body := u.Statement.Update(); u.Held && body.Opened == r.Opened {
				s.Updates = append(s.Updates, ledger.SealedUpdate{Update: *u.Statement, Weight: body.Samples})
			}
		}
	}
	return s
}

func TestCheckSeal(t *testing.T) {
	e, r := ledgerEnv(t)
	l := e.sites[0].ledger
	if err := l.Check(e.next(ledger.Entry{Body: e.sealNow()})); err != nil {
		t.Fatal(err)
	}
	resign := func(s *ledger.Seal, i int, change func(*ledger.Update)) {
		site := e.sites[i]
		u := *s.Updates[i].Update.Update()
		change(&u)
		s.Updates[i].Update = *site.out.Sign(ledger.KindUpdate, &u)
	}
	for _, c := range []struct {
		name   string
		change func(*ledger.Seal)
		want   string
	}{
		{"another round", func(s *ledger.Seal) { s.Round++ }, "current is round 1"},
		{"another opening", func(s *ledger.Seal) { s.Opened++ }, "current is round 1"},
		{"wrong number", func(s *ledger.Seal) { s.Number = 1 }, "the next is 0"},
		{"ground in the first", func(s *ledger.Seal) { s.Ground = &ledger.Ground{Kind: ledger.Unavailable} }, "ground"},
		{"too few", func(s *ledger.Seal) { s.Updates = s.Updates[:2] }, "the run wants 3"},
		{"disorder", func(s *ledger.Seal) { slices.Reverse(s.Updates) }, "ascend"},
		{"one site twice", func(s *ledger.Seal) { s.Updates[1] = s.Updates[0] }, "ascend"},
		{"wrong weight", func(s *ledger.Seal) { s.Updates[0].Weight++ }, "its samples give"},
		{"forged signature", func(s *ledger.Seal) { s.Updates[0].Update.Sig = make([]byte, 32) }, "does not verify"},
		{"of the next round", func(s *ledger.Seal) { resign(s, 0, func(u *ledger.Update) { u.Round = 2 }) }, "current is 1"},
		{"wrong base", func(s *ledger.Seal) { resign(s, 0, func(u *ledger.Update) { u.Base = r.ID }) }, "starts from"},
		{"another run", func(s *ledger.Seal) { resign(s, 0, func(u *ledger.Update) { u.Run = u.Base }) }, "another run"},
		{"another statement", func(s *ledger.Seal) {
			s.Updates[0].Update = *e.sites[0].out.Sign(ledger.KindStop, &ledger.Stop{Run: r.ID})
		}, "want update"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := e.sealNow()
			c.change(s)
			wantInvalid(t, l.Check(e.next(ledger.Entry{Body: s})), c.want)
		})
	}
}

func wantInvalid(t *testing.T, err error, text string) {
	t.Helper()
	if !errors.Is(err, ledger.ErrInvalid) || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want an invalid entry that says %q", err, text)
	}
}

func TestCheckPlace(t *testing.T) {
	e, _ := ledgerEnv(t)
	l := e.sites[0].ledger
	for want, change := range map[string]func(*ledger.Entry){
		"another mesh": func(x *ledger.Entry) { x.Mesh = l.Head() },
		"next height":  func(x *ledger.Entry) { x.Height++ },
		"parent":       func(x *ledger.Entry) { x.Parent = l.Mesh() },
		"no run":       func(x *ledger.Entry) { ledger.As[ledger.Seal](x).Run = l.Mesh() },
	} {
		x := e.next(ledger.Entry{Body: e.sealNow()})
		change(x)
		wantInvalid(t, l.Check(x), want)
	}
}

// TestCheckAfterSeal covers what may follow a seal: a commit of the latest, a strict subset with a
// ground, or a void when too few are left.
func TestCheckAfterSeal(t *testing.T) {
	e, r := ledgerEnv(t)
	l := e.sites[0].ledger
	seal := e.next(ledger.Entry{Body: e.sealNow()})
	l.Apply(seal, nil)
	last := ledger.As[ledger.Seal](seal).Updates[2].Update.From
	model := block.Sum(block.DagCBOR, []byte("m"))
	shard := block.Sum(block.Raw, []byte("s"))
	ground := ledger.Ground{Kind: ledger.Invalid, Dropped: []peer.ID{last}, Shard: shard}
	for _, c := range []struct {
		name string
		e    ledger.Entry
		want string // empty: valid
	}{
		{"commit", ledger.Entry{Body: &ledger.Commit{Run: r.ID, Round: 1, Seal: seal.CID(), Model: model}}, ""},
		{"commit of another seal", ledger.Entry{Body: &ledger.Commit{Run: r.ID, Round: 1, Seal: model, Model: model}}, "latest seal"},
		{"commit with state", ledger.Entry{Body: &ledger.Commit{Run: r.ID, Round: 1, Seal: seal.CID(), Model: model, State: model}}, ""},
		{"commit of a raw block", ledger.Entry{Body: &ledger.Commit{Run: r.ID, Round: 1, Seal: seal.CID(), Model: shard}}, "manifest"},
		{"void", ledger.Entry{Body: &ledger.Void{Run: r.ID, Round: 1, Seal: seal.CID(), Ground: ground}}, ""},
		{"void of another seal", ledger.Entry{Body: &ledger.Void{Run: r.ID, Round: 1, Seal: model, Ground: ground}}, "latest seal"},
		{"void for nothing", ledger.Entry{Body: &ledger.Void{Run: r.ID, Round: 1, Seal: seal.CID(), Ground: ledger.Ground{Kind: ledger.Unavailable}}}, "drops nothing"},
		{"void for a stranger", ledger.Entry{Body: &ledger.Void{Run: r.ID, Round: 1, Seal: seal.CID(), Ground: ledger.Ground{Kind: ledger.Unavailable, Dropped: []peer.ID{e.sites[3].self}}}}, "does not list"},
		{"invalid without a shard", ledger.Entry{Body: &ledger.Void{Run: r.ID, Round: 1, Seal: seal.CID(), Ground: ledger.Ground{Kind: ledger.Invalid, Dropped: ground.Dropped}}}, "with a shard"},
		{"second seal too small", ledger.Entry{Body: &ledger.Seal{Run: r.ID, Round: 1, Opened: r.Opened, Number: 1, Ground: &ground, Updates: ledger.As[ledger.Seal](seal).Updates[:2]}}, "wants 3"},
	} {
		err := l.Check(e.next(c.e))
		if c.want == "" && err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if c.want != "" {
			wantInvalid(t, err, c.want)
		}
	}
}

func TestCheckOpenAndClose(t *testing.T) {
	e, r := ledgerEnv(t)
	l, one, two := e.sites[0].ledger, e.sites[0], e.sites[1]
	wantInvalid(t, l.Check(e.next(ledger.Entry{Body: &ledger.Open{Spec: *one.out.Sign(ledger.KindOpen, r.Spec)}})), "known already")
	other := *r.Spec
	other.Nonce = []byte("0123456789abcdef")
	if err := l.Check(e.next(ledger.Entry{Body: &ledger.Open{Spec: *one.out.Sign(ledger.KindOpen, &other)}})); err != nil {
		t.Error(err)
	}
	wantInvalid(t, l.Check(e.next(ledger.Entry{Body: &ledger.Open{Spec: *two.out.Sign(ledger.KindOpen, &other)}})), "signed by 2")
	for want, change := range map[string]func(*ledger.RunSpec){
		"rounds":    func(s *ledger.RunSpec) { s.Rounds = 0 },
		"rule":      func(s *ledger.RunSpec) { s.Rule = "\n" },
		"min_sites": func(s *ledger.RunSpec) { s.MinSites = 5 },
		"late":      func(s *ledger.RunSpec) { s.LateDen = 0 },
		"name":      func(s *ledger.RunSpec) { s.Name = "\x00" },
		"base":      func(s *ledger.RunSpec) { s.Base = block.CID{} },
	} {
		bad := other
		change(&bad)
		wantInvalid(t, l.Check(e.next(ledger.Entry{Body: &ledger.Open{Spec: *one.out.Sign(ledger.KindOpen, &bad)}})), want)
	}
	stop := func(sites ...*simSite) *ledger.Entry {
		c := &ledger.Close{Run: r.ID}
		for _, s := range sites {
			c.Stops = append(c.Stops, *s.out.Sign(ledger.KindStop, &ledger.Stop{Run: r.ID}))
		}
		return e.next(ledger.Entry{Body: c})
	}
	for name, good := range map[string]*ledger.Entry{"opener": stop(one), "f+1 others": stop(two, e.sites[2])} {
		if err := l.Check(good); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantInvalid(t, l.Check(stop(two)), "1 sites ask")
	wantInvalid(t, l.Check(stop(two, two)), "out of order")
}

func TestCertificate(t *testing.T) {
	e, _ := ledgerEnv(t)
	l := e.sites[0].ledger
	d := l.At(1)
	if err := d.Certificate.Verify(l.Mesh(), l.Roster(), d.Entry, testVerify); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*ledger.Certificate){
		"too few":         func(c *ledger.Certificate) { c.Votes = c.Votes[:2] },
		"one site twice":  func(c *ledger.Certificate) { c.Votes[1] = c.Votes[0] },
		"another view":    func(c *ledger.Certificate) { c.View++ },
		"another entry":   func(c *ledger.Certificate) { c.Entry = l.Mesh() },
		"another mesh":    func(c *ledger.Certificate) { c.Mesh = c.Entry },
		"stranger":        func(c *ledger.Certificate) { c.Votes[0].From = testID(99) },
		"wrong signature": func(c *ledger.Certificate) { c.Votes[0].Sig = c.Votes[1].Sig },
	} {
		c := *d.Certificate
		c.Votes = slices.Clone(c.Votes)
		change(&c)
		if c.Verify(l.Mesh(), l.Roster(), d.Entry, testVerify) == nil {
			t.Errorf("%s: verifies", name)
		}
	}
}

// TestCheckLate covers which updates of an earlier round may still count: of the opening that the round was
// committed from, and not dropped as invalid.
func TestCheckLate(t *testing.T) {
	e, r := ledgerEnv(t)
	l := e.sites[0].ledger
	spoilt := e.offer(e.sites[3], r, 1, "spoilt")
	first := e.sealNow()
	seal := e.next(ledger.Entry{Body: &ledger.Seal{Run: r.ID, Round: 1, Opened: r.Opened, Updates: append(first.Updates, ledger.SealedUpdate{Update: *spoilt, Weight: 100})}})
	slices.SortFunc(ledger.As[ledger.Seal](seal).Updates, func(a, b ledger.SealedUpdate) int { return ledger.CompareIDs(a.Update.From, b.Update.From) })
	ground := &ledger.Ground{Kind: ledger.Invalid, Dropped: []peer.ID{e.sites[3].self}, Shard: block.Sum(block.Raw, []byte("s"))}
	l.Apply(seal, nil)
	void := ledger.Entry{Body: &ledger.Void{Run: r.ID, Round: 1, Seal: seal.CID(), Ground: *ground}}
	voided := r.Opened
	l.Apply(e.next(void), nil)
	fresh := first.Updates[:2]
	for i := range fresh {
		fresh[i].Update = *e.offer(e.sites[i], r, 1, fmt.Sprint("again", i))
	}
	l.Apply(e.next(ledger.Entry{Body: &ledger.Seal{Run: r.ID, Round: 1, Opened: r.Opened, Updates: fresh}}), nil)
	opened := r.Opened
	l.Apply(e.next(ledger.Entry{Body: &ledger.Commit{Run: r.ID, Round: 1, Seal: r.Latest().CID, Model: block.Sum(block.DagCBOR, []byte("m"))}}), nil)
	for _, c := range []struct {
		name   string
		opened uint64
		dir    *ledger.Signed // whose content
		want   string
	}{
		{"of the opening that led to the commit", opened, nil, ""},
		{"of an opening that was voided", voided, nil, "voided"},
		{"of an opening that never was", opened + 1, nil, "voided"},
		{"of the next round's opening", r.Opened, nil, "voided"},
		{"dropped as invalid before", opened, spoilt, "dropped it as invalid"},
	} {
		u := ledger.Update{
			Run: r.ID, Round: 1, Opened: c.opened, Attempt: 1, Base: r.Spec.Base, Samples: 100, Metrics: map[string]float64{},
			Manifest: block.Sum(block.DagCBOR, []byte(c.name)),
		}
		if c.dir != nil {
			u.Manifest = c.dir.Update().Manifest
		}
		stale, err := l.Staleness(r, e.sites[3].out.Sign(ledger.KindUpdate, &u))
		switch {
		case c.want == "" && (err != nil || stale != 1):
			t.Errorf("%s: %d rounds late, %v", c.name, stale, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want an error that says %q", c.name, err, c.want)
		}
	}
}

// TestSizes: whatever is valid can be sent. A seal of all sites, each with the largest update that is
// allowed, fits an entry, and a proposal of it with its prevotes fits a message; so does what any site
// has to say without metrics.
func TestSizes(t *testing.T) {
	sig := make([]byte, 64)
	run := block.Sum(block.DagCBOR, []byte("run"))
	large := uint64(1<<63 - 1)
	for _, n := range []int{1, 4, 100, 200, 500, ledger.MaxSites} {
		sites := make([]ledger.Site, n)
		for i := range sites {
			sites[i].ID = testID(i)
		}
		r := ledger.NewRoster(sites, ledger.Byzantine)
		plain := &ledger.Update{Run: run, Round: ledger.MaxRounds, Opened: large, Attempt: ledger.MaxAttempts, Base: run, Manifest: run, Samples: ledger.MaxSamples, Metrics: map[string]float64{}}
		if s := (&ledger.Signed{From: testID(0), Kind: ledger.KindUpdate, Body: block.Encode(plain), Sig: sig}); s.Size() > r.UpdateBytes() {
			t.Errorf("n=%d: an update without metrics has %d bytes, %d are allowed", n, s.Size(), r.UpdateBytes())
		}
		seal := &ledger.Seal{Run: run, Round: ledger.MaxRounds, Opened: large, Updates: make([]ledger.SealedUpdate, n)}
		polka := make([]ledger.Signed, r.Quorum())
		for i := range seal.Updates {
			u := ledger.Signed{From: testID(i), Kind: ledger.KindUpdate, Sig: sig}
			u.Body = make([]byte, r.UpdateBytes()-u.Size())
			if u.Size() != r.UpdateBytes() {
				t.Fatal("not the largest")
			}
			seal.Updates[i] = ledger.SealedUpdate{Update: u, Weight: 1 << 52}
		}
		entry := (&ledger.Entry{Mesh: run, Height: large, Parent: run, Body: seal}).Block().Data
		if len(entry) > ledger.MaxEntry {
			t.Errorf("n=%d: a seal has %d bytes, an entry may have %d", n, len(entry), ledger.MaxEntry)
		}
		for i := range polka {
			polka[i] = ledger.Signed{From: testID(i), Kind: ledger.KindPrevote, Body: block.Encode(ledger.Vote{Height: large, View: large, Entry: run}), Sig: sig}
		}
		p := &consensus.Proposal{Height: large, View: large, ValidView: math.MaxInt64, Entry: make([]byte, ledger.MaxEntry), Polka: polka}
		msg := &Message{Attempt: large, Statement: &ledger.Signed{From: testID(0), Kind: consensus.KindProposal, Body: block.Encode(p), Sig: sig}}
		if size := len(msg.Encode()); size > maxMessage {
			t.Errorf("n=%d: a proposal has %d bytes, a message may have %d", n, size, maxMessage)
		}
	}
}

// TestCheckSize: an entry that no site could send is not valid.
func TestCheckSize(t *testing.T) {
	e, _ := ledgerEnv(t)
	l := e.sites[0].ledger
	spec := e.spec(1)
	spec.Nonce[0] = 9
	spec.Train = map[string]string{}
	x := e.next(ledger.Entry{Body: &ledger.Open{Spec: *e.sites[0].out.Sign(ledger.KindOpen, spec)}})
	ledger.As[ledger.Open](x).Spec.Sig = make([]byte, ledger.MaxEntry)
	wantInvalid(t, l.Check(x), "at most")
	s := e.sealNow()
	u := *s.Updates[0].Update.Update()
	u.Metrics = map[string]float64{}
	for i := range 2 * ledger.MaxMetrics {
		u.Metrics[fmt.Sprint(i, strings.Repeat("x", 2*ledger.MaxName))] = 1
	}
	sig := s.Updates[0].Update.Sig
	s.Updates[0].Update = *ledger.Sign(l.Mesh(), e.sites[0].self, ledger.KindUpdate, &u, func([]byte) []byte { return sig })
	wantInvalid(t, l.Check(e.next(ledger.Entry{Body: s})), "bytes, at most")
}
