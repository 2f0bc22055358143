package round

import (
	"slices"
	"testing"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
)

// newAskedEnv returns a mesh in which runs are asked for, and operators answer.
func newAskedEnv(t testing.TB, n int) *env {
	g := testGenesis(n, ledger.Byzantine)
	g.Under(ledger.AskProtocol, "test")
	e := newEnvOf(t, g, 0)
	e.ask = true
	e.stabilize()
	return e
}

func (e *env) consents(run block.CID, nums ...int) {
	for _, n := range nums {
		e.step(e.sites[n-1], runs.Considered{Run: run, Accept: true, Samples: uint64(100 * n)})
	}
}

// said returns what a site has signed of a kind, from its log.
func (s *simSite) said(kind ledger.Kind) (list []*ledger.Signed) {
	for _, r := range s.log {
		if r.Statement != nil && r.Statement.Kind == kind {
			list = append(list, r.Statement)
		}
	}
	return list
}

// TestAskedIsDecided: what the entry brings is in the ledger, and nobody but who takes part has fetched the base.
func TestAskedIsDecided(t *testing.T) {
	e := newAskedEnv(t, 4)
	spec := e.spec(1)
	e.open(spec)
	e.stabilize()
	e.consents(spec.ID(), 1, 2, 4)
	if len(e.holds[spec.Base]) != 1 {
		t.Error("a base is fetched for a run that is not open")
	}
	e.pass(5*time.Second, func() bool { return e.sites[2].ledger.Run(spec.ID()) != nil })
	r := e.sites[2].ledger.Run(spec.ID())
	if r == nil || len(r.Declared) != 3 || r.Declared[e.sites[3].self] != 400 {
		t.Fatalf("declared %v", r)
	}
	e.stabilize()
	if h := e.holds[spec.Base]; len(h) != 3 || h[3] {
		t.Errorf("the base is at %v", h)
	}
	for _, s := range e.sites {
		if s.Participates(spec.ID(), e.sites[2].self) || !s.Participates(spec.ID(), e.sites[3].self) || len(s.Asked()) > 0 {
			t.Errorf("site %d does not know who takes part", s.num)
		}
	}
}

// TestAskedEntry: what may open a run follows from the entry and the ledger alone.
func TestAskedEntry(t *testing.T) {
	e := newAskedEnv(t, 4)
	spec := e.spec(1)
	run := spec.ID()
	consent := func(site int, c ledger.Consent) ledger.Signed {
		return *e.sites[site-1].out.Sign(ledger.KindConsent, &c)
	}
	yes := func(site int) ledger.Signed {
		return consent(site, ledger.Consent{Run: run, Accept: true, Serial: 1, Samples: 7})
	}
	open := func(s *ledger.RunSpec, list ...ledger.Signed) *ledger.Open {
		return &ledger.Open{Spec: *e.sites[0].out.Sign(ledger.KindOpen, s), Consents: list}
	}
	check := func(o *ledger.Open) error { return e.sites[0].ledger.Check(e.next(ledger.Entry{Body: o})) }
	if err := check(open(spec, yes(1), yes(2), yes(4))); err != nil {
		t.Error(err)
	}
	forged := yes(2)
	forged.Sig = []byte("forged")
	needsAll := *spec
	needsAll.MinSites = 4
	for want, o := range map[string]*ledger.Open{
		"2 sites consent, want 3":     open(spec, yes(1), yes(2)),
		"out of order":                open(spec, yes(2), yes(1), yes(4)),
		"declines":                    open(spec, yes(1), yes(2), consent(3, ledger.Consent{Run: run, Serial: 2})),
		"another run":                 open(spec, yes(1), yes(2), consent(3, ledger.Consent{Run: spec.Base, Accept: true, Serial: 1})),
		"signature does not verify":   open(spec, yes(1), forged, yes(3)),
		"3 sites consent, want 4":     open(&needsAll, yes(1), yes(2), yes(3)),
		"a stop statement, want cons": open(spec, yes(1), yes(2), *e.sites[2].out.Sign(ledger.KindStop, &ledger.Stop{Run: run})),
	} {
		wantInvalid(t, check(o), want)
	}
	old := newEnv(t, 4, ledger.Byzantine)
	o := &ledger.Open{Spec: *old.sites[0].out.Sign(ledger.KindOpen, spec), Consents: []ledger.Signed{*old.sites[0].out.Sign(ledger.KindConsent, &ledger.Consent{Run: run, Accept: true})}}
	wantInvalid(t, old.sites[0].ledger.Check(old.next(ledger.Entry{Body: o})), "protocol 1 does not have")
}

// TestAskedAgain: a run that was taken back is not asked for again by who shows its description and an older list, and a run that
// was open once is never opened again.
func TestAskedAgain(t *testing.T) {
	e := newAskedEnv(t, 4)
	one, four := e.sites[0], e.sites[3]
	spec := e.spec(1)
	e.open(spec)
	e.stabilize()
	e.consents(spec.ID(), 2, 4)
	e.stabilize()
	e.step(one, runs.StopRun{Run: spec.ID()})
	e.pass(time.Second, func() bool { return false })
	show := func() {
		for _, s := range slices.Concat(one.said(ledger.KindAsks)[:1], one.said(ledger.KindOpen), four.said(ledger.KindConsent), e.sites[1].said(ledger.KindConsent)) {
			for _, to := range e.sites {
				e.step(to, Received{four.self, &Message{Attempt: 99, Statement: s}, 0})
			}
		}
	}
	show()
	e.consents(spec.ID(), 3)
	e.pass(5*time.Second, func() bool { return false })
	for _, s := range e.sites {
		if len(s.Asked()) > 0 || s.ledger.Height() > 0 {
			t.Errorf("site %d takes up what was taken back", s.num)
		}
	}
	// A list that is forged in a site's name, or in nobody's.
	forged := *one.said(ledger.KindAsks)[0]
	forged.From = four.self
	if err := e.sites[1].receiveStatement(Received{four.self, &Message{Attempt: 1, Statement: &forged}, 0}); err == nil {
		t.Error("a forged list is taken")
	}

	again := e.spec(1)
	again.Nonce = []byte("another run here")
	e.open(again)
	e.stabilize()
	e.consents(again.ID(), 1, 2, 3)
	e.pass(5*time.Second, func() bool { return four.ledger.Run(again.ID()) != nil })
	e.step(one, runs.StopRun{Run: again.ID()})
	e.pass(5*time.Second, func() bool { return four.ledger.Height() == 2 })
	height := four.ledger.Height()
	show()
	e.step(one, runs.OpenRun{Spec: again})
	e.pass(5*time.Second, func() bool { return false })
	if four.ledger.Run(again.ID()) == nil || height != 2 || four.ledger.Height() != height || len(four.Asked()) > 0 {
		t.Errorf("height %d, %d asked", four.ledger.Height(), len(four.Asked()))
	}
}

// TestAskedTooLate: a run that its opener takes back when the others have agreed already is stopped as soon as it is open.
func TestAskedTooLate(t *testing.T) {
	e := newAskedEnv(t, 4)
	spec := e.spec(1)
	e.open(spec)
	e.stabilize()
	e.crash(e.sites[0])
	e.consents(spec.ID(), 2, 3, 4)
	e.restart(e.sites[0])
	if len(e.sites[0].Asked()) != 1 {
		t.Fatal("it has forgotten what it asks for")
	}
	e.step(e.sites[0], runs.StopRun{Run: spec.ID(), Reason: "never mind"})
	var kept []letter
	for _, l := range e.wire { // its word is lost, once
		if l.msg.Statement == nil || l.msg.Statement.Kind != ledger.KindAsks {
			kept = append(kept, l)
		}
	}
	e.wire = kept
	e.pass(time.Minute, func() bool { r := e.sites[1].ledger.Run(spec.ID()); return r != nil && !r.Active() })
	r := e.sites[1].ledger.Run(spec.ID())
	if r == nil || r.Active() {
		t.Errorf("the run was to be opened, and stopped: %v", r)
	}
}

// TestAskedBounds: of each site at most so many are kept, and what it no longer lists is gone.
func TestAskedBounds(t *testing.T) {
	e := newAskedEnv(t, 4)
	liar := e.sites[3]
	for serial := uint64(1); serial < 40; serial++ {
		list := &ledger.Asks{Serial: serial}
		for i := range ledger.MaxAsked {
			spec := e.spec(1)
			spec.By, spec.Nonce = liar.self, []byte{15: byte(i), 14: byte(serial)}
			list.Runs = append(list.Runs, spec.ID())
			if i == 0 {
				e.tell(e.sites[0], liar.out.Sign(ledger.KindAsks, list)) // before it lists them all: others are passed over
			}
			e.tell(e.sites[0], liar.out.Sign(ledger.KindOpen, spec))
		}
		list.Serial++
		serial++
		e.tell(e.sites[0], liar.out.Sign(ledger.KindAsks, list))
	}
	if f := e.sites[0].Footprint().Runs; f.Asked > ledger.MaxAsked+1 {
		t.Errorf("%d are kept", f.Asked)
	}
	if (&ledger.Asks{Serial: 1, Runs: make([]block.CID, ledger.MaxAsked+1)}).Check() == nil {
		t.Error("a list of five is well formed")
	}
}

// TestAskedFickle: a site that never stops changing its mind does not keep a run from opening that a quorum of others wants.
func TestAskedFickle(t *testing.T) {
	e := newAskedEnv(t, 4)
	spec := e.spec(1)
	e.open(spec)
	e.stabilize()
	liar := e.sites[3]
	serial := uint64(0)
	turn := func() bool {
		serial++
		s := liar.out.Sign(ledger.KindConsent, &ledger.Consent{Run: spec.ID(), Accept: serial%2 == 1, Serial: serial})
		for _, to := range e.sites[:3] {
			e.wire = append(e.wire, letter{liar.num, to.num, &Message{Attempt: serial, Statement: s}, 0})
		}
		return e.sites[0].ledger.Height() > 0
	}
	turn()
	turn()
	turn()
	e.stabilize()
	e.consents(spec.ID(), 1, 2, 3)
	e.pass(10*time.Second, turn)
	if e.sites[0].ledger.Run(spec.ID()) == nil {
		t.Error("the run is not opened")
	}
}

// TestAskedRaise: what a site asks for by an older protocol is asked for by the new one once that is in force.
func TestAskedRaise(t *testing.T) {
	e := newEnv(t, 4, ledger.Byzantine)
	spec := e.spec(1)
	e.step(e.sites[0], runs.OpenRun{Spec: spec}) // nobody holds its base
	e.pass(time.Second, func() bool { return false })
	if a := e.sites[0].Asked(); len(a) != 1 || a[0].Takers != 0 || len(e.sites[1].Asked()) > 0 {
		t.Fatalf("asked %v", a)
	}
	c := &ledger.Change{Protocol: ledger.AskProtocol, Weft: "1"}
	for _, s := range e.sites {
		e.step(s, Approve{c})
	}
	e.pass(20*time.Second, func() bool { return e.sites[3].ledger.Run(spec.ID()) != nil })
	if e.sites[3].ledger.Run(spec.ID()) == nil {
		t.Errorf("not opened: height %d, asked %v", e.sites[3].ledger.Height(), e.sites[3].Asked())
	}
}

// TestSoughtEnds: by an older protocol a site fetches the base before a run is open. One that nobody has is not sought for ever.
func TestSoughtEnds(t *testing.T) {
	e := newEnv(t, 4, ledger.Byzantine)
	spec := e.spec(1)
	e.open(spec)
	e.crash(e.sites[0])
	e.stabilize()
	two := e.sites[1]
	if len(two.seeking) != 1 {
		t.Fatal("it does not seek the base")
	}
	for range 11 {
		e.now += time.Minute
		e.wake()
		e.stabilize()
	}
	if len(two.seeking) != 0 {
		t.Error("the base is sought though its opener is gone")
	}
	e.restart(e.sites[0])
	for range 130 {
		e.now += time.Minute
		e.wake()
		e.stabilize()
	}
	if two.ledger.Run(spec.ID()) == nil {
		t.Error("the run is not opened once its base can be had")
	}
}

// TestDeclinedLate: who declines a run that is open and whose base it still fetches fetches no further, and may accept it again.
func TestDeclinedLate(t *testing.T) {
	e := newAskedEnv(t, 4)
	spec := e.spec(1)
	e.open(spec)
	e.stabilize()
	e.consents(spec.ID(), 1, 2, 4)
	delete(e.holds, spec.Base) // whoever has it serves nobody
	e.pass(5*time.Second, func() bool { return e.sites[3].ledger.Run(spec.ID()) != nil })
	four := e.sites[3]
	e.stabilize()
	if _, fetches := four.seeking[spec.Base]; !fetches {
		t.Fatal("who takes part does not fetch the base")
	}
	e.step(four, runs.Considered{Run: spec.ID(), Reason: "no"})
	e.stabilize()
	if _, fetches := four.seeking[spec.Base]; fetches {
		t.Error("who has declined fetches the base all the same")
	}
	e.step(four, runs.Considered{Run: spec.ID(), Accept: true})
	e.stabilize()
	if _, fetches := four.seeking[spec.Base]; !fetches {
		t.Error("who takes part again does not fetch the base")
	}
}
