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
)

// ledgerEnv returns a mesh of four whose run is in round 1 with all updates held and nothing sealed.
func ledgerEnv(t *testing.T) (*env, *Run) {
	e := newEnv(t, 4, Byzantine)
	e.open(e.spec(3))
	e.stabilize()
	for _, s := range e.sites[:3] {
		e.trained(s)
	}
	e.stabilize()
	return e, e.sites[0].ledger.Runs()[0]
}

// next returns an entry on the head.
func (e *env) next(x Entry) *Entry {
	l := e.sites[0].ledger
	return &Entry{Mesh: l.Mesh(), Height: l.Height() + 1, Parent: l.Head(), Open: x.Open, Close: x.Close, Seal: x.Seal, Void: x.Void, Commit: x.Commit, Roster: x.Roster}
}

func (e *env) sealNow() *Seal {
	m := e.sites[0].Machine
	r := m.ledger.Runs()[0]
	s := &Seal{Run: r.ID, Round: r.Round, Opened: r.Opened}
	for _, c := range m.parts[r.ID].order {
		if u := c.best; u != nil {
			s.Updates = append(s.Updates, SealedUpdate{*u.statement, u.Samples})
		}
	}
	return s
}

func TestCheckSeal(t *testing.T) {
	e, r := ledgerEnv(t)
	l := e.sites[0].ledger
	if err := l.Check(e.next(Entry{Seal: e.sealNow()})); err != nil {
		t.Fatal(err)
	}
	resign := func(s *Seal, i int, change func(*Update)) {
		site := e.sites[i]
		u := *s.Updates[i].Update.Update()
		change(&u)
		s.Updates[i].Update = *site.sign(KindUpdate, &u)
	}
	for _, c := range []struct {
		name   string
		change func(*Seal)
		want   string
	}{
		{"another round", func(s *Seal) { s.Round++ }, "current is round 1"},
		{"another opening", func(s *Seal) { s.Opened++ }, "current is round 1"},
		{"wrong number", func(s *Seal) { s.Number = 1 }, "the next is 0"},
		{"ground in the first", func(s *Seal) { s.Ground = &Ground{Kind: Unavailable} }, "ground"},
		{"too few", func(s *Seal) { s.Updates = s.Updates[:2] }, "the run wants 3"},
		{"disorder", func(s *Seal) { slices.Reverse(s.Updates) }, "ascend"},
		{"one site twice", func(s *Seal) { s.Updates[1] = s.Updates[0] }, "ascend"},
		{"wrong weight", func(s *Seal) { s.Updates[0].Weight++ }, "its samples give"},
		{"forged signature", func(s *Seal) { s.Updates[0].Update.Sig = make([]byte, 32) }, "does not verify"},
		{"of the next round", func(s *Seal) { resign(s, 0, func(u *Update) { u.Round = 2 }) }, "current is 1"},
		{"wrong base", func(s *Seal) { resign(s, 0, func(u *Update) { u.Base = r.ID }) }, "starts from"},
		{"another run", func(s *Seal) { resign(s, 0, func(u *Update) { u.Run = u.Base }) }, "another run"},
		{"another statement", func(s *Seal) {
			s.Updates[0].Update = *e.sites[0].sign(KindStop, &Stop{Run: r.ID})
		}, "want update"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := e.sealNow()
			c.change(s)
			wantInvalid(t, l.Check(e.next(Entry{Seal: s})), c.want)
		})
	}
}

func wantInvalid(t *testing.T, err error, text string) {
	t.Helper()
	if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want an invalid entry that says %q", err, text)
	}
}

func TestCheckPlace(t *testing.T) {
	e, _ := ledgerEnv(t)
	l := e.sites[0].ledger
	for want, change := range map[string]func(*Entry){
		"another mesh": func(x *Entry) { x.Mesh = l.Head() },
		"next height":  func(x *Entry) { x.Height++ },
		"parent":       func(x *Entry) { x.Parent = l.Mesh() },
		"no run":       func(x *Entry) { x.Seal.Run = l.Mesh() },
	} {
		x := e.next(Entry{Seal: e.sealNow()})
		change(x)
		wantInvalid(t, l.Check(x), want)
	}
}

// TestCheckAfterSeal covers what may follow a seal: a commit of the latest, a strict subset with a
// ground, or a void when too few are left.
func TestCheckAfterSeal(t *testing.T) {
	e, r := ledgerEnv(t)
	l := e.sites[0].ledger
	seal := e.next(Entry{Seal: e.sealNow()})
	l.apply(seal, nil)
	last := seal.Seal.Updates[2].Update.From
	model := block.Sum(block.DagCBOR, []byte("m"))
	shard := block.Sum(block.Raw, []byte("s"))
	ground := Ground{Kind: Invalid, Dropped: []peer.ID{last}, Shard: shard}
	for _, c := range []struct {
		name string
		e    Entry
		want string // empty: valid
	}{
		{"commit", Entry{Commit: &Commit{Run: r.ID, Round: 1, Seal: seal.CID(), Model: model}}, ""},
		{"commit of another seal", Entry{Commit: &Commit{Run: r.ID, Round: 1, Seal: model, Model: model}}, "latest seal"},
		{"commit with state", Entry{Commit: &Commit{Run: r.ID, Round: 1, Seal: seal.CID(), Model: model, State: model}}, "no state"},
		{"commit of a raw block", Entry{Commit: &Commit{Run: r.ID, Round: 1, Seal: seal.CID(), Model: shard}}, "manifest"},
		{"void", Entry{Void: &Void{Run: r.ID, Round: 1, Seal: seal.CID(), Ground: ground}}, ""},
		{"void of another seal", Entry{Void: &Void{Run: r.ID, Round: 1, Seal: model, Ground: ground}}, "latest seal"},
		{"void for nothing", Entry{Void: &Void{Run: r.ID, Round: 1, Seal: seal.CID(), Ground: Ground{Kind: Unavailable}}}, "drops nothing"},
		{"void for a stranger", Entry{Void: &Void{Run: r.ID, Round: 1, Seal: seal.CID(), Ground: Ground{Kind: Unavailable, Dropped: []peer.ID{e.sites[3].self}}}}, "does not list"},
		{"invalid without a shard", Entry{Void: &Void{Run: r.ID, Round: 1, Seal: seal.CID(), Ground: Ground{Kind: Invalid, Dropped: ground.Dropped}}}, "with a shard"},
		{"second seal too small", Entry{Seal: &Seal{Run: r.ID, Round: 1, Opened: r.Opened, Number: 1, Ground: &ground, Updates: seal.Seal.Updates[:2]}}, "wants 3"},
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
	wantInvalid(t, l.Check(e.next(Entry{Open: &Open{*one.sign(KindOpen, r.Spec)}})), "known already")
	other := *r.Spec
	other.Nonce = []byte("0123456789abcdef")
	if err := l.Check(e.next(Entry{Open: &Open{*one.sign(KindOpen, &other)}})); err != nil {
		t.Error(err)
	}
	wantInvalid(t, l.Check(e.next(Entry{Open: &Open{*two.sign(KindOpen, &other)}})), "signed by 2")
	for want, change := range map[string]func(*RunSpec){
		"rounds":    func(s *RunSpec) { s.Rounds = 0 },
		"rule":      func(s *RunSpec) { s.Rule = "krum" },
		"min_sites": func(s *RunSpec) { s.MinSites = 5 },
		"late":      func(s *RunSpec) { s.LateDen = 0 },
		"name":      func(s *RunSpec) { s.Name = "\x00" },
		"base":      func(s *RunSpec) { s.Base = block.CID{} },
	} {
		bad := other
		change(&bad)
		wantInvalid(t, l.Check(e.next(Entry{Open: &Open{*one.sign(KindOpen, &bad)}})), want)
	}
	stop := func(sites ...*simSite) *Entry {
		c := &Close{Run: r.ID}
		for _, s := range sites {
			c.Stops = append(c.Stops, *s.sign(KindStop, &Stop{Run: r.ID}))
		}
		return e.next(Entry{Close: c})
	}
	for name, good := range map[string]*Entry{"opener": stop(one), "f+1 others": stop(two, e.sites[2])} {
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
	for name, change := range map[string]func(*Certificate){
		"too few":         func(c *Certificate) { c.Votes = c.Votes[:2] },
		"one site twice":  func(c *Certificate) { c.Votes[1] = c.Votes[0] },
		"another view":    func(c *Certificate) { c.View++ },
		"another entry":   func(c *Certificate) { c.Entry = l.Mesh() },
		"another mesh":    func(c *Certificate) { c.Mesh = c.Entry },
		"stranger":        func(c *Certificate) { c.Votes[0].From = testID(99) },
		"wrong signature": func(c *Certificate) { c.Votes[0].Sig = c.Votes[1].Sig },
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
	seal := e.next(Entry{Seal: &Seal{Run: r.ID, Round: 1, Opened: r.Opened, Updates: append(first.Updates, SealedUpdate{*spoilt, 100})}})
	slices.SortFunc(seal.Seal.Updates, func(a, b SealedUpdate) int { return compareIDs(a.Update.From, b.Update.From) })
	ground := &Ground{Kind: Invalid, Dropped: []peer.ID{e.sites[3].self}, Shard: block.Sum(block.Raw, []byte("s"))}
	l.apply(seal, nil)
	void := Entry{Void: &Void{Run: r.ID, Round: 1, Seal: seal.CID(), Ground: *ground}}
	voided := r.Opened
	l.apply(e.next(void), nil)
	fresh := first.Updates[:2]
	for i := range fresh {
		fresh[i].Update = *e.offer(e.sites[i], r, 1, fmt.Sprint("again", i))
	}
	l.apply(e.next(Entry{Seal: &Seal{Run: r.ID, Round: 1, Opened: r.Opened, Updates: fresh}}), nil)
	opened := r.Opened
	l.apply(e.next(Entry{Commit: &Commit{Run: r.ID, Round: 1, Seal: r.Latest().CID, Model: block.Sum(block.DagCBOR, []byte("m"))}}), nil)
	for _, c := range []struct {
		name   string
		opened uint64
		dir    *Signed // whose content
		want   string
	}{
		{"of the opening that led to the commit", opened, nil, ""},
		{"of an opening that was voided", voided, nil, "voided"},
		{"of an opening that never was", opened + 1, nil, "voided"},
		{"of the next round's opening", r.Opened, nil, "voided"},
		{"dropped as invalid before", opened, spoilt, "dropped it as invalid"},
	} {
		u := Update{
			Run: r.ID, Round: 1, Opened: c.opened, Attempt: 1, Base: r.Spec.Base, Samples: 100, Metrics: map[string]float64{},
			Manifest: block.Sum(block.DagCBOR, []byte(c.name)),
		}
		if c.dir != nil {
			u.Manifest = c.dir.Update().Manifest
		}
		stale, err := l.staleness(r, e.sites[3].sign(KindUpdate, &u))
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
	for _, n := range []int{1, 4, 100, 200, 500, maxSites} {
		sites := make([]Site, n)
		for i := range sites {
			sites[i].ID = testID(i)
		}
		r := NewRoster(sites, Byzantine)
		plain := &Update{Run: run, Round: maxRounds, Opened: large, Attempt: maxAttempts, Base: run, Manifest: run, Samples: maxSamples, Metrics: map[string]float64{}}
		if s := (&Signed{From: testID(0), Kind: KindUpdate, Body: block.Encode(plain), Sig: sig}); s.size() > r.updateBytes() {
			t.Errorf("n=%d: an update without metrics has %d bytes, %d are allowed", n, s.size(), r.updateBytes())
		}
		seal := &Seal{Run: run, Round: maxRounds, Opened: large, Updates: make([]SealedUpdate, n)}
		polka := make([]Signed, r.Quorum())
		for i := range seal.Updates {
			u := Signed{From: testID(i), Kind: KindUpdate, Sig: sig}
			u.Body = make([]byte, r.updateBytes()-u.size())
			if u.size() != r.updateBytes() {
				t.Fatal("not the largest")
			}
			seal.Updates[i] = SealedUpdate{u, 1 << 52}
		}
		entry := (&Entry{Mesh: run, Height: large, Parent: run, Seal: seal}).Block().Data
		if len(entry) > maxEntry {
			t.Errorf("n=%d: a seal has %d bytes, an entry may have %d", n, len(entry), maxEntry)
		}
		for i := range polka {
			polka[i] = Signed{From: testID(i), Kind: KindPrevote, Body: block.Encode(Vote{large, large, run}), Sig: sig}
		}
		p := &Proposal{Height: large, View: large, ValidView: math.MaxInt64, Entry: make([]byte, maxEntry), Polka: polka}
		msg := &Message{Attempt: large, Statement: &Signed{From: testID(0), Kind: KindProposal, Body: block.Encode(p), Sig: sig}}
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
	x := e.next(Entry{Open: &Open{*e.sites[0].sign(KindOpen, spec)}})
	x.Open.Spec.Sig = make([]byte, maxEntry)
	wantInvalid(t, l.Check(x), "at most")
	s := e.sealNow()
	u := *s.Updates[0].Update.Update()
	u.Metrics = map[string]float64{}
	for i := range 2 * maxMetrics {
		u.Metrics[fmt.Sprint(i, strings.Repeat("x", 2*maxName))] = 1
	}
	s.Updates[0].Update = Signed{From: e.sites[0].self, Kind: KindUpdate, Body: block.Encode(u), Sig: s.Updates[0].Update.Sig}
	wantInvalid(t, l.Check(e.next(Entry{Seal: s})), "bytes, at most")
}
