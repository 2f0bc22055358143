package round

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/peerlog"
)

// later encodes a value as a later version would, which has a field more.
func later(t testing.TB, v any, value any) []byte {
	var m map[string]cbor.RawMessage
	if err := block.Decode(block.Encode(v), &m); err != nil {
		t.Fatal(err)
	}
	m["later"] = block.Encode(value)
	return block.Encode(m)
}

// signLater makes a statement of a site whose program is of a later version.
func (s *simSite) signLater(t testing.TB, kind ledger.Kind, body any, value any) *ledger.Signed {
	data := later(t, body, value)
	return &ledger.Signed{From: s.self, Kind: kind, Body: data, Sig: testSign(s.self, ledger.SigningBytes(s.ledger.Mesh(), kind, data))}
}

// TestLaterFields: what a later version says in a known kind counts by the fields that are known, and is passed on as it was signed.
func TestLaterFields(t *testing.T) {
	e, r := openedEnv(t, 1)
	one, four := e.sites[0], e.sites[3]
	manifest := block.Sum(block.DagCBOR, []byte("update"))
	for _, s := range e.sites {
		e.hold(s, manifest)
	}
	u := four.signLater(t, ledger.KindUpdate, &ledger.Update{
		Run: r.ID, Round: 1, Opened: r.Opened, Attempt: 1, Base: r.Base, Manifest: manifest, Samples: 100, Metrics: map[string]float64{},
	}, "value")
	m, err := DecodeMessage((&Message{Attempt: 1, Statement: u}).Encode())
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Statement.Unknown(); !slices.Equal(got, []string{"later"}) {
		t.Errorf("unknown: %q", got)
	}
	e.crash(four) // it says no more
	for _, s := range e.sites[:2] {
		e.tell(s, m.Statement)
	}
	for _, s := range e.sites[:3] {
		e.trained(s)
	}
	e.pass(time.Hour, func() bool { return r.Commits != nil })
	if len(r.Commits) == 0 {
		t.Fatal("no commit")
	}
	for _, s := range r.Commits[0].Sealed.Updates {
		if s.Update.From == four.self && bytes.Equal(s.Update.Body, u.Body) && s.Weight == 100 {
			return
		}
	}
	t.Errorf("%s was not counted as it was signed: %d updates; site 3 knew of it by site 1 alone, height %d", u.Kind, len(r.Commits[0].Sealed.Updates), one.ledger.Height())
}

// TestLaterDouble: two votes that differ in nothing but what this program does not know say the same; for two entries they are a lie.
func TestLaterDouble(t *testing.T) {
	e, _ := openedEnv(t, 1)
	one, four := e.sites[0], e.sites[3]
	u := &ledger.Vote{Height: 2}
	a := four.signLater(t, ledger.KindPrevote, u, 1)
	e.tell(one, a, four.signLater(t, ledger.KindPrevote, u, 2))
	if len(one.Named()) > 0 {
		t.Error("named for saying the same again")
	}
	e.tell(one, four.signLater(t, ledger.KindPrevote, &ledger.Vote{Height: 2, Entry: one.ledger.Mesh()}, 1))
	if !slices.Contains(one.Named(), four.self) {
		t.Error("not named")
	}
	if (&peerlog.Evidence{A: *a, B: *a}).Proves() {
		t.Error("one statement proves a lie")
	}
}

// TestLaterKinds: what this program knows nothing of is told from what is malformed.
func TestLaterKinds(t *testing.T) {
	e, r := openedEnv(t, 1)
	s := e.sites[1]
	vote := &ledger.Vote{Height: 2, Entry: s.ledger.Mesh()}
	statement := func(s *ledger.Signed) []byte { return (&Message{Attempt: 1, Statement: s}).Encode() }
	stop := &ledger.Stop{Run: r.ID}
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"unknown kind":                       {statement(s.out.Sign("later", stop)), ledger.ErrUnknown},
		"unknown content":                    {later(t, &Message{Attempt: 1}, map[string]any{"a": 1}), ledger.ErrUnknown},
		"evidence of an unknown kind":        {(&Message{Evidence: &peerlog.Evidence{A: *s.out.Sign("later", stop), B: *s.out.Sign("later", stop)}}).Encode(), ledger.ErrUnknown},
		"change that does nothing known":     {statement(s.signLater(t, ledger.KindApprove, &ledger.Change{}, 5)), ledger.ErrUnknown},
		"precommit with a field":             {statement(s.signLater(t, ledger.KindPrecommit, vote, 1)), ledger.ErrUnknown},
		"prevote with a field":               {statement(s.signLater(t, ledger.KindPrevote, vote, 1)), nil},
		"known and unknown content":          {later(t, &Message{Attempt: 1, Statement: s.out.Sign(ledger.KindStop, stop)}, 1), nil},
		"no content":                         {(&Message{}).Encode(), ledger.ErrMalformed},
		"two known contents":                 {later(t, &Message{Statement: s.out.Sign(ledger.KindStop, stop), Head: s.head()}, 1), ledger.ErrMalformed},
		"large with what is unknown":         {statement(s.signLater(t, ledger.KindStop, stop, strings.Repeat("x", 400))), ledger.ErrMalformed},
		"vote that is large":                 {statement(s.signLater(t, ledger.KindPrevote, vote, strings.Repeat("x", 300))), ledger.ErrMalformed},
		"unknown kind without a signature":   {statement(&ledger.Signed{From: s.self, Kind: "later", Body: []byte{0xa0}}), ledger.ErrMalformed},
		"not canonical beside what is known": {bytes.Replace(later(t, &Message{Attempt: 1, Statement: s.out.Sign(ledger.KindStop, stop)}, "@"), []byte("later\x61@"), []byte("later\x18\x01"), 1), ledger.ErrMalformed},
	} {
		if _, err := DecodeMessage(c.data); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestLaterRun: a run whose description has unknown fields opens under the CID of what was signed, and the ledger says which.
func TestLaterRun(t *testing.T) {
	e := newEnv(t, 4, ledger.Byzantine)
	spec := e.spec(1)
	spec.Rule = "clip" // known or not, it is a name
	signed := e.sites[0].signLater(t, ledger.KindOpen, spec, map[string]any{"x": 1})
	for _, s := range e.sites {
		e.hold(s, spec.Base)
		if err := s.Restore(Record{Statement: signed}); err != nil { // all ask for it, as whoever forms the entry may
			t.Fatal(err)
		}
		e.step(s, Alarm{})
	}
	e.pass(time.Minute, func() bool { return e.sites[3].ledger.Height() > 0 })
	r := e.sites[3].ledger.Run(signed.ID())
	if r == nil {
		t.Fatal("the run is not open under the CID of its signed bytes")
	}
	if !slices.Equal(r.Unknown, []string{"later"}) || r.Spec.Rule != "clip" {
		t.Errorf("unknown %q, rule %q", r.Unknown, r.Spec.Rule)
	}
}

// laterEntries are entries on the head that this program cannot read.
func laterEntries(t *testing.T, e *env) map[string]*ledger.Entry {
	l := e.sites[0].ledger
	list := map[string]*ledger.Entry{}
	add := func(name string, v any) {
		x, err := ledger.DecodeEntry(block.Encode(v))
		if err != nil {
			t.Fatal(err)
		}
		list[name] = x
	}
	header := func(more ...any) map[string]any {
		m := map[string]any{"mesh": l.Mesh(), "height": l.Height() + 1, "parent": l.Head()}
		for i := 0; i < len(more); i += 2 {
			m[more[i].(string)] = more[i+1]
		}
		return m
	}
	stop := &ledger.Close{Run: l.Runs()[0].ID, Stops: []ledger.Signed{*e.sites[0].out.Sign(ledger.KindStop, &ledger.Stop{Run: l.Runs()[0].ID})}}
	add("unknown kind", header("checkpoint", map[string]any{"a": 1}))
	add("field beside the body", header("close", stop, "later", 1))
	add("field of the body", header("close", cbor.RawMessage(later(t, stop, 1))))
	return list
}

func TestLaterEntryHalts(t *testing.T) {
	e, _ := openedEnv(t, 1)
	for name, x := range laterEntries(t, e) {
		t.Run(name, func(t *testing.T) {
			e, _ := openedEnv(t, 1)
			one, two := e.sites[0], e.sites[1]
			cert := e.certify(x, e.sites[1:]...)
			certified := func(c *ledger.Certificate) Received {
				return Received{two.self, &Message{Attempt: 1, Certified: []ledger.Certified{{Entry: x.Block().Data, Certificate: *c}}}, 0}
			}
			e.tell(one, two.out.Sign(consensus.KindReady, &consensus.Ready{Height: x.Height, Entry: x.CID(), Data: x.Block().Data}))
			forged := *cert
			forged.Votes = forged.Votes[:2]
			e.step(one, certified(&forged))
			if one.Ready().Halt != nil {
				t.Fatal("halted by what is not certified")
			}
			if one.consensus.Snapshot().Candidates[x.CID()].Entry != nil {
				t.Error("it may be voted for")
			}
			e.step(one, certified(cert))
			err := one.Ready().Halt
			if !errors.Is(err, ledger.ErrNewer) || !strings.Contains(err.Error(), "this mesh needs a newer weft") {
				t.Fatalf("halts with %v", err)
			}
			e.step(one, Alarm{})
			if w := one.Ready(); w.Halt == nil || len(w.Send) > 0 || one.ledger.Height() != x.Height-1 {
				t.Error("it goes on")
			}
			if err := one.ledger.Append(x, cert); !errors.Is(err, ledger.ErrNewer) {
				t.Errorf("a reader of the ledger says %v", err)
			}
			if err := one.ledger.Append(x, &forged); !errors.Is(err, ledger.ErrQuorum) {
				t.Errorf("of a forged certificate it says %v", err)
			}
		})
	}
}

func TestEntryForm(t *testing.T) {
	e, _ := openedEnv(t, 1)
	good := ledger.Entry{Body: &ledger.Close{Run: e.sites[0].ledger.Mesh(), Stops: []ledger.Signed{}}}
	x := e.next(good)
	fields := func(change func(map[string]any)) []byte {
		m := map[string]any{"mesh": x.Mesh, "height": x.Height, "parent": x.Parent, "close": x.Body}
		change(m)
		return block.Encode(m)
	}
	for name, data := range map[string][]byte{
		"no body":    fields(func(m map[string]any) { delete(m, "close") }),
		"no parent":  fields(func(m map[string]any) { delete(m, "parent") }),
		"two bodies": fields(func(m map[string]any) { m["void"] = ledger.Void{} }),
		"bad body":   fields(func(m map[string]any) { m["close"] = 1 }),
		"null field": fields(func(m map[string]any) { m["seal"] = cbor.RawMessage{0xf6}; delete(m, "close") }),
		"bad form":   fields(func(m map[string]any) { m["later"] = cbor.RawMessage{0x18, 1} }),
	} {
		if _, err := ledger.DecodeEntry(data); !errors.Is(err, ledger.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestProtocol: a mesh raises its protocol; a site whose program does not know the new one stops where it comes into force.
func TestProtocol(t *testing.T) {
	e := newEnv(t, 4, ledger.Byzantine)
	for _, s := range e.sites {
		s.ledger.Understand(1)
	}
	c := &ledger.Change{Protocol: 2, Weft: "1.4"}
	if err := e.sites[0].CheckApproval(c); !errors.Is(err, ledger.ErrNewer) {
		t.Errorf("an operator may approve of what the own program does not know: %v", err)
	}
	for _, s := range e.sites[:3] {
		s.ledger.Understand(2)
	}
	four := e.sites[3]
	for _, s := range e.sites[:3] {
		e.step(s, Approve{c})
	}
	e.pass(time.Minute, func() bool { return four.halted != nil })
	want := "this mesh needs weft >= 1.4: protocol 2 is in force, this program knows 1"
	if err := four.Ready().Halt; err == nil || err.Error() != want {
		t.Fatalf("site 4 says %v", err)
	}
	if four.ledger.Height() != 1 {
		t.Errorf("site 4 is at height %d", four.ledger.Height())
	}
	one := e.sites[0]
	if p := one.ledger.Protocol(1); p.Number != 1 || p.Weft != "" {
		t.Errorf("at height 1 %+v is in force", p)
	}
	if p := one.ledger.Protocol(2); p.Number != 2 || p.Weft != "1.4" || p.From != 2 || one.roster().Version() != 1 || one.roster().Len() != 4 {
		t.Errorf("at height 2 %+v is in force, roster %d of %d", p, one.roster().Version(), one.roster().Len())
	}
	e.open(e.spec(1))
	e.pass(time.Minute, func() bool { return one.ledger.Height() > 1 })
	if one.ledger.Height() < 2 {
		t.Error("the others do not go on")
	}
	for name, bad := range map[string]*ledger.Change{
		"in force":        {Version: 1, Protocol: 2, Weft: "1.4"},
		"lower":           {Version: 1, Protocol: 1, Weft: "1.0"},
		"no weft":         {Version: 1, Protocol: 3},
		"weft alone":      {Version: 1, Weft: "1.5"},
		"nothing":         {Version: 1},
		"not in one line": {Version: 1, Protocol: 3, Weft: "1\n5"},
	} {
		if one.ledger.CheckChange(bad) == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
	m, err := New(Config{Protocol: 1, Self: four.self, Genesis: e.genesis, Timing: e.timing, Verify: testVerify})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range four.log {
		if err := m.Restore(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Ledger().Known(); err == nil || err.Error() != want {
		t.Errorf("restarted, site 4 says %v", err)
	}
}

func TestGenesisProtocol(t *testing.T) {
	g := testGenesis(3, ledger.Byzantine)
	g.Protocol, g.Weft = 2, "1.4"
	back, err := ledger.DecodeGenesis(g.Block().Data)
	if err != nil || back.Protocol != 2 {
		t.Fatal(err)
	}
	cfg := Config{Protocol: 1, Self: g.Sites[0].ID, Genesis: back, Timing: DefaultTiming(), Verify: testVerify}
	if _, err := New(cfg); !errors.Is(err, ledger.ErrNewer) {
		t.Errorf("a program that knows protocol 1 says %v", err)
	}
	cfg.Protocol = 2
	if _, err := New(cfg); err != nil {
		t.Error(err)
	}
	g.Protocol, g.Weft = 1, ""
	if _, err := ledger.DecodeGenesis(g.Block().Data); !errors.Is(err, ledger.ErrMalformed) {
		t.Errorf("protocol 1 is written: %v", err)
	}
	if _, err := ledger.DecodeGenesis(later(t, testGenesis(3, ledger.Byzantine), 1)); !errors.Is(err, ledger.ErrNewer) {
		t.Errorf("unknown field: %v", err)
	}
}

// TestLaterChange: approvals of a change with unknown fields are of that change, which this program cannot form.
func TestLaterChange(t *testing.T) {
	e := newJoinEnv(t, 4, 1, ledger.Byzantine)
	c := &ledger.Change{Remove: &e.known[3]}
	var approvals []*ledger.Signed
	for _, s := range e.sites[:3] {
		approvals = append(approvals, s.signLater(t, ledger.KindApprove, c, true))
	}
	one := e.sites[0]
	e.tell(one, approvals[1:]...)
	e.tell(one, e.sites[3].out.Sign(ledger.KindApprove, c))
	var found bool
	for _, p := range one.Changes() {
		if p.ID == approvals[0].ID() {
			found = slices.Equal(p.Unknown, []string{"later"}) && len(p.Approvals) == 2
		}
	}
	if !found || len(one.Changes()) != 2 {
		t.Fatalf("it knows %+v", one.Changes())
	}
	e.tell(e.sites[1], approvals[0], approvals[2])
	e.pass(time.Minute, func() bool { return one.ledger.Height() > 0 })
	if one.ledger.Height() > 0 {
		t.Error("a change was decided without what it says")
	}
}

// TestLaterRecord: a log that a later version wrote is not read without what it says.
func TestLaterRecord(t *testing.T) {
	e, _ := openedEnv(t, 1)
	if _, err := DecodeRecord(later(t, e.sites[0].log[0], 1)); !errors.Is(err, ledger.ErrNewer) {
		t.Error(err)
	}
}

// TestState: a state in a commit is valid, but no site that computes the model here votes for it; certified, it is followed.
func TestState(t *testing.T) {
	e, r := openedEnv(t, 1)
	e.idle = true
	for _, s := range e.sites {
		e.trained(s)
	}
	one := e.sites[0]
	e.pass(time.Minute, func() bool { return len(one.hung) > 0 })
	e.idle = false
	e.job(one, one.hung[0]) // the others' reductions hang
	e.step(one, Alarm{})
	latest := r.Latest()
	commit := &ledger.Commit{Run: r.ID, Round: 1, Seal: latest.CID, Model: one.models(latest.CID)}
	x := e.next(ledger.Entry{Body: commit})
	if !one.runs.Holds(x) {
		t.Fatal("it did not compute the model")
	}
	commit.State = commit.Model
	x = e.next(ledger.Entry{Body: commit})
	if err := one.ledger.Check(x); err != nil {
		t.Error(err)
	}
	if one.runs.Holds(x) {
		t.Error("it may vote for a state that it has not computed")
	}
	cert := e.certify(x, e.sites[1:]...)
	e.step(one, Received{e.sites[1].self, &Message{Attempt: 1, Certified: []ledger.Certified{{Entry: x.Block().Data, Certificate: *cert}}}, 0})
	if one.ledger.Head() != x.CID() || one.Ready().Halt != nil {
		t.Error("it does not follow")
	}
}

// models returns the model that a site would have committed for a seal.
func (s *simSite) models(seal block.CID) (model block.CID) {
	s.wants(func(d ledger.Decision) bool {
		c, ok := d.(*ledger.Commit)
		if ok && c.Seal == seal {
			model = c.Model
		}
		return ok
	})
	return model
}
