package ledger_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// TestBoundsByProtocol: a description is held to late: average and bounds from the protocol on that brings them; before, the one is
// no policy and the other is passed over, whatever it is.
func TestBoundsByProtocol(t *testing.T) {
	by, err := peer.Decode("12D3KooWHXKuLZLDy4EujmnKJScPtc5G8LLzDP7yC9Ty9ARzphPm")
	if err != nil {
		t.Fatal(err)
	}
	roster := ledger.NewRoster([]ledger.Site{{ID: by, Name: "a"}}, ledger.Byzantine)
	model := block.Sum(block.DagCBOR, []byte("model"))
	spec := func(edit func(*ledger.RunSpec)) *ledger.RunSpec {
		s := &ledger.RunSpec{Name: "r", By: by, Base: model, Layout: model, Rounds: 1, Nonce: make([]byte, 16), Late: ledger.Drop}
		s.Default(1)
		edit(s)
		return s
	}
	raw := func(v any) ledger.Bounds { return ledger.Bounds{Passed: block.Encode(v)} }
	for name, c := range map[string]struct {
		edit           func(*ledger.RunSpec)
		before, within bool // valid under protocol 3, and 4
	}{
		"average":        {func(s *ledger.RunSpec) { s.Late, s.LateNum, s.LateDen, s.LateMax = ledger.Average, 1, 2, 2 }, false, true},
		"average, never": {func(s *ledger.RunSpec) { s.Late, s.LateNum, s.LateDen, s.LateMax = ledger.Average, 0, 2, 2 }, false, false},
		"open": {func(s *ledger.RunSpec) {
			s.Bounds = ledger.NewBounds(ledger.Bounded{Share: ledger.OpenShare, MaxChange: 5})
		}, true, true},
		"another share":  {func(s *ledger.RunSpec) { s.Bounds = raw(map[string]any{"share": "all"}) }, true, false},
		"a later field":  {func(s *ledger.RunSpec) { s.Bounds = raw(map[string]any{"later": 1}) }, true, false},
		"a number":       {func(s *ledger.RunSpec) { s.Bounds = raw(5) }, true, false},
		"less than none": {func(s *ledger.RunSpec) { s.Bounds = raw(map[string]any{"max_change": -1.0}) }, true, false},
		"round time":     {func(s *ledger.RunSpec) { s.Pace = ledger.NewPace(ledger.Paced{RoundTime: 5000}) }, true, true},
		"no round time":  {func(s *ledger.RunSpec) { s.Pace = ledger.Pace{Passed: block.Encode(map[string]any{"round_time": 0})} }, true, false},
		"a later pace":   {func(s *ledger.RunSpec) { s.Pace = ledger.Pace{Passed: block.Encode(map[string]any{"later": 1})} }, true, false},
		"endless":        {func(s *ledger.RunSpec) { s.Pace = ledger.NewPace(ledger.Paced{RoundTime: ledger.MaxRoundTime + 1}) }, true, false},
		"carried by steps": {func(s *ledger.RunSpec) {
			s.Pace = ledger.NewPace(ledger.Paced{RoundTime: 5000})
			s.Late, s.LateNum, s.LateDen, s.LateMax = ledger.Carry, 1, 2, 2
		}, true, false},
		"continues": {func(s *ledger.RunSpec) { s.Continues = ledger.Continues{Passed: block.Encode("junk")} }, true, true},
	} {
		s := spec(c.edit)
		for protocol, want := range map[uint64]bool{3: c.before, 4: c.within} {
			if err := s.Validate(roster, protocol); (err == nil) != want {
				t.Errorf("%s under protocol %d: %v", name, protocol, err)
			}
		}
		text, err := json.Marshal(s)
		var back ledger.RunSpec
		if err == nil {
			err = json.Unmarshal(text, &back)
		}
		if err != nil || back.ID() != s.ID() {
			t.Errorf("%s: as JSON %s, and back %+v, %v", name, text, back, err)
		}
	}
}

// TestDefaultLate: what a run does with late updates if it says nothing depends on the protocol; what it says stays.
func TestDefaultLate(t *testing.T) {
	for _, c := range []struct {
		spec     ledger.RunSpec
		protocol uint64
		want     ledger.LatePolicy
		max      uint64
	}{
		{ledger.RunSpec{}, 3, ledger.Carry, 2}, {ledger.RunSpec{}, 4, ledger.Average, 2}, {ledger.RunSpec{Rule: "clip"}, 3, ledger.Drop, 0},
		{ledger.RunSpec{Rule: "clip"}, 4, ledger.Average, 2}, {ledger.RunSpec{LateMax: 5}, 4, ledger.Average, 5}, {ledger.RunSpec{LateMax: 5}, 3, ledger.Carry, 5},
		{ledger.RunSpec{Late: ledger.Carry}, 4, ledger.Carry, 2}, {ledger.RunSpec{Late: ledger.Drop}, 4, ledger.Drop, 0},
	} {
		if c.spec.Default(c.protocol); c.spec.Late != c.want || c.spec.LateRounds() != c.max {
			t.Errorf("protocol %d: %s for %d rounds, want %s for %d", c.protocol, c.spec.Late, c.spec.LateRounds(), c.want, c.max)
		}
	}
}

func TestNorm(t *testing.T) {
	for _, v := range []float64{0, 1.5, math.MaxFloat64} {
		if got, ok := ledger.NewNorm(v).Read(); !ok || got != v {
			t.Errorf("%g comes back as %g, %v", v, got, ok)
		}
	}
	for name, n := range map[string]ledger.Norm{"none": {}, "a text": {Passed: block.Encode("1")}, "less than 0": ledger.NewNorm(-1), "no number": {Passed: ledger.Passed{0xfb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0}}} {
		if v, ok := n.Read(); ok {
			t.Errorf("%s is read as %g", name, v)
		}
	}
}

// FuzzBounds: what is read of bounds, of the norm of an update, and of what a run continues comes back as the same bytes.
func FuzzBounds(f *testing.F) {
	f.Add([]byte(ledger.NewBounds(ledger.Bounded{Share: ledger.OpenShare, MaxChange: 2.5}).Passed))
	f.Add([]byte(ledger.NewNorm(3).Passed))
	f.Add([]byte(ledger.NewContinues(ledger.Earlier{Run: block.Sum(block.DagCBOR, []byte("run")), Round: 7}).Passed))
	f.Fuzz(func(t *testing.T, data []byte) {
		if b, err := (ledger.Bounds{Passed: data}).Read(); err == nil && b != (ledger.Bounded{}) && !bytes.Equal(ledger.NewBounds(b).Passed, data) {
			t.Errorf("bounds %x are read as %+v", data, b)
		}
		if v, ok := (ledger.Norm{Passed: data}).Read(); ok && (math.IsNaN(v) || math.IsInf(v, 0) || !bytes.Equal(ledger.NewNorm(v).Passed, data)) {
			t.Errorf("norm %x is read as %g", data, v)
		}
		if e, err := (ledger.Continues{Passed: data}).Read(); err == nil && len(data) > 0 && !bytes.Equal(ledger.NewContinues(e).Passed, data) {
			t.Errorf("%x is read as %+v", data, e)
		} else if err != nil && !strings.Contains(err.Error(), "continues") {
			t.Errorf("%x: %v", data, err)
		}
	})
}
