package round

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
)

func FuzzDecodeMessage(f *testing.F) {
	e := newEnv(f, 4, ledger.Byzantine)
	e.open(e.spec(1))
	for range 40 {
		for _, l := range e.wire {
			f.Add(l.msg.Encode())
		}
		e.stabilize()
		for _, s := range e.sites {
			e.trained(s)
		}
	}
	j := newJoinEnv(f, 2, 1, ledger.Byzantine)
	c := &ledger.Change{Add: &j.known[2]}
	j.step(j.sites[0], Approve{c})
	j.step(j.sites[1], Approve{c})
	for range 40 {
		for _, l := range j.wire {
			f.Add(l.msg.Encode())
		}
		j.now += j.timing.Head
		j.wake()
		j.stabilize()
	}
	f.Add((&Message{Certified: []ledger.Certified{e.sites[0].ledger.At(1).Certified()}}).Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeMessage(data)
		if err != nil {
			return
		}
		if again, err := DecodeMessage(m.Encode()); err != nil || !bytes.Equal(again.Encode(), m.Encode()) {
			t.Fatalf("decodes to a message that does not decode: %v", err) // only unknown fields were lost
		}
		_ = m.Verify(e.genesis.Block().CID, e.genesis.Roster(), testVerify)
		e.sites[0].Step(e.now, Received{e.sites[1].self, m, 0}) // must not panic
		e.sites[0].Ready()
	})
}

// A member signs whatever it likes, of any kind: nobody panics over it, and what is decided is decided by all alike, which the mesh
// of the test holds.
func FuzzSignedLiar(f *testing.F) {
	seeds := newEnv(f, 4, ledger.Byzantine)
	seeds.open(seeds.spec(1))
	seen := map[ledger.Kind]bool{}
	for range 40 {
		for _, l := range seeds.wire {
			if s := l.msg.Statement; s != nil && !seen[s.Kind] {
				seen[s.Kind] = true
				f.Add(string(s.Kind), s.Body)
			}
		}
		seeds.stabilize()
		for _, s := range seeds.sites {
			seeds.trained(s)
		}
	}
	f.Add("withdraw", block.Encode(ledger.Withdraw{Change: seeds.genesis.Block().CID, Version: 1, Serial: 1 << 63, Withdrawn: true}))
	f.Add("of tomorrow", []byte{0xa0})
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		e := newEnv(t, 4, ledger.Byzantine)
		e.open(e.spec(2))
		e.stabilize()
		liar, mesh := e.sites[3], e.genesis.Block().CID
		if len(kind) > 255 {
			return
		}
		sent := &ledger.Signed{From: liar.self, Kind: ledger.Kind(kind), Body: body, Sig: testSign(liar.self, ledger.SigningBytes(mesh, ledger.Kind(kind), body))}
		m, err := DecodeMessage((&Message{Statement: sent}).Encode())
		if err != nil || m.Verify(mesh, e.genesis.Roster(), testVerify) != nil {
			return
		}
		for _, s := range e.sites[:3] {
			e.step(s, Received{liar.self, m, 0})
			e.step(s, Received{e.sites[0].self, m, 0}) // an honest site passes it on
		}
		e.trained(e.sites[0])
		e.trained(e.sites[1])
		e.stabilize()
	})
}

func FuzzDecodeEntry(f *testing.F) {
	e := newEnv(f, 4, ledger.Byzantine)
	e.open(e.spec(1))
	e.stabilize()
	f.Add(e.sites[0].ledger.At(1).Entry.Block().Data)
	j := newJoinEnv(f, 2, 1, ledger.Byzantine)
	f.Add(j.changed(&ledger.Change{Add: &j.known[2]}, j.sites[0], j.sites[1]).Block().Data)
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := ledger.DecodeEntry(data)
		if err != nil {
			return
		}
		_ = x.String() + x.Kind() + x.Run().String()
		_ = e.sites[0].ledger.Check(x)
	})
}

func FuzzDecodeRecord(f *testing.F) {
	e := newEnv(f, 4, ledger.Byzantine)
	e.open(e.spec(1))
	e.stabilize()
	for _, r := range e.sites[0].log {
		f.Add(r.Encode())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := DecodeRecord(data); err == nil {
			s := &simSite{num: 1, log: []Record{r}}
			m, _ := New(Config{Self: e.sites[0].self, Genesis: e.genesis, Timing: e.timing, Verify: testVerify})
			s.Machine = m
			_ = m.Restore(r) // must not panic
		}
	})
}

func TestMalformedStatements(t *testing.T) {
	e, _ := ledgerEnv(t)
	s := e.sites[1]
	good := *s.runs.Known(s.ledger.Runs()[0].ID, s.self)[0].Statement.Update()
	change := func(f func(*ledger.Update)) ledger.Body { b := good; f(&b); return &b }
	for name, stmt := range map[string]*ledger.Signed{
		"no kind":            s.out.Sign("", &ledger.Stop{}),
		"long kind":          s.out.Sign(ledger.Kind(make([]byte, 65)), &ledger.Stop{}),
		"body of another":    s.out.Sign(ledger.KindPrecommit, &ledger.Stop{}),
		"no samples":         s.out.Sign(ledger.KindUpdate, change(func(b *ledger.Update) { b.Samples = 0 })),
		"many samples":       s.out.Sign(ledger.KindUpdate, change(func(b *ledger.Update) { b.Samples = math.MaxUint64 })),
		"attempt 0":          s.out.Sign(ledger.KindUpdate, change(func(b *ledger.Update) { b.Attempt = 0 })),
		"raw manifest":       s.out.Sign(ledger.KindUpdate, change(func(b *ledger.Update) { b.Manifest = block.Sum(block.Raw, nil) })),
		"long reason":        s.out.Sign(ledger.KindStop, &ledger.Stop{Reason: string(make([]byte, 1000))}),
		"vote at height 0":   s.out.Sign(ledger.KindPrevote, &ledger.Vote{}),
		"valid view ahead":   s.out.Sign(consensus.KindProposal, &consensus.Proposal{Height: 1, View: 1, ValidView: 1}),
		"metric's name":      s.out.Sign(ledger.KindUpdate, change(func(b *ledger.Update) { b.Metrics = map[string]float64{"\n": 1} })),
		"no signature":       {From: s.self, Kind: ledger.KindStop, Body: block.Encode(ledger.Stop{})},
		"body not canonical": {From: s.self, Kind: ledger.KindStop, Body: []byte{0xbf, 0xff}, Sig: []byte{1}},
	} {
		stmt = &ledger.Signed{From: stmt.From, Kind: stmt.Kind, Body: stmt.Body, Sig: stmt.Sig} // as it arrives
		if _, err := DecodeMessage((&Message{Statement: stmt}).Encode()); !errors.Is(err, ledger.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := DecodeMessage((&Message{}).Encode()); !errors.Is(err, ledger.ErrMalformed) {
		t.Errorf("empty message: %v", err)
	}
}

func TestStrangersAreRefused(t *testing.T) {
	e, _ := ledgerEnv(t)
	stranger := testID(99)
	body := block.Encode(ledger.Stop{Run: e.sites[0].ledger.Runs()[0].ID})
	s := &ledger.Signed{From: stranger, Kind: ledger.KindStop, Body: body, Sig: testSign(stranger, ledger.SigningBytes(e.sites[0].ledger.Mesh(), ledger.KindStop, body))}
	m := &Message{Statement: s}
	if err := m.Verify(e.sites[0].ledger.Mesh(), e.genesis.Roster(), testVerify); !errors.Is(err, ledger.ErrStranger) {
		t.Error(err)
	}
	s.From = e.sites[1].self
	if err := m.Verify(e.sites[0].ledger.Mesh(), e.genesis.Roster(), testVerify); !errors.Is(err, ledger.ErrSignature) {
		t.Error(err)
	}
}

func TestGenesis(t *testing.T) {
	g := testGenesis(3, ledger.Byzantine)
	back, err := ledger.DecodeGenesis(g.Block().Data)
	if err != nil || back.Block().CID != g.Block().CID {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*ledger.Genesis){
		"version":  func(g *ledger.Genesis) { g.Version = 2 },
		"no name":  func(g *ledger.Genesis) { g.Name = "" },
		"faults":   func(g *ledger.Genesis) { g.Faults = "some" },
		"no sites": func(g *ledger.Genesis) { g.Sites = nil },
		"disorder": func(g *ledger.Genesis) { g.Sites[0], g.Sites[1] = g.Sites[1], g.Sites[0] },
		"one name": func(g *ledger.Genesis) { g.Sites[0].Name = g.Sites[1].Name },
		"nonce":    func(g *ledger.Genesis) { g.Nonce = nil },
	} {
		bad := testGenesis(3, ledger.Byzantine)
		change(bad)
		if _, err := ledger.DecodeGenesis(bad.Block().Data); !errors.Is(err, ledger.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
