package ledger_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// firstSpec is a run's description as the first version reads it.
func firstSpec(strategy any) map[string]any {
	var m map[string]any
	by, err := peer.Decode("12D3KooWHXKuLZLDy4EujmnKJScPtc5G8LLzDP7yC9Ty9ARzphPm")
	if err != nil {
		panic(err)
	}
	model := block.Sum(block.DagCBOR, []byte("model"))
	s := ledger.RunSpec{Name: "run", By: by, Base: model, Layout: model, Rounds: 1}
	s.Default(1)
	data := block.Encode(&s)
	if err := cbor.Unmarshal(data, &m); err != nil {
		panic(err)
	}
	if strategy != nil {
		m["strategy"] = strategy
	}
	return m
}

// TestStrategyIsNoMatterOfValidity: whatever an opener writes into the field, a site reads the run, or two versions would
// disagree about what is decided. What cannot be read is said by those who would compute.
func TestStrategyIsNoMatterOfValidity(t *testing.T) {
	for name, c := range map[string]struct {
		value    any
		readable bool
	}{
		"absent":           {nil, true},
		"step":             {map[string]any{"outer": "nesterov"}, true},
		"parameters":       {map[string]any{"params": map[string]any{"norm": "1"}}, true},
		"empty":            {map[string]any{}, true},
		"state":            {map[string]any{"outer": "nesterov", "state": block.Sum(block.DagCBOR, nil)}, true},
		"state of no step": {map[string]any{"state": block.Sum(block.DagCBOR, nil)}, false},
		"raw state":        {map[string]any{"outer": "nesterov", "state": block.Sum(block.Raw, nil)}, false},
		"number":           {5, false},
		"text":             {"", false},
		"null":             {cbor.RawMessage{0xf6}, false},
		"number as outer":  {map[string]any{"outer": 5}, false},
		"number as params": {map[string]any{"params": 5}, false},
		"number as value":  {map[string]any{"params": map[string]any{"norm": 1}}, false},
		"empty outer":      {map[string]any{"outer": ""}, false},
		"a later field":    {map[string]any{"later": 1}, false},
		"control codes":    {map[string]any{"params": map[string]any{"a\x1b[2J": "\u009b2J"}}, false},
	} {
		body := block.Encode(firstSpec(c.value))
		s := ledger.Signed{Kind: ledger.KindOpen, Body: body, Sig: []byte{1}}
		spec, err := ledger.BodyOf[ledger.RunSpec](&s, ledger.KindOpen)
		if err != nil || len(s.Unknown()) > 0 {
			t.Errorf("%s: %v, unknown %v", name, err, s.Unknown())
			continue
		}
		if again := block.Encode(spec); !bytes.Equal(again, body) {
			t.Errorf("%s: encoded again: %x, want %x", name, again, body)
		}
		if _, err := spec.Strategy.Read(); (err == nil) != c.readable || err != nil && !errors.Is(err, ledger.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
		text, err := json.Marshal(spec.Strategy)
		var back ledger.Strategy
		if err == nil {
			err = json.Unmarshal(text, &back)
		}
		if err != nil || !bytes.Equal(back.Passed, spec.Strategy.Passed) && name != "empty" {
			t.Errorf("%s: as JSON %s, and back %x, %v", name, text, back, err)
		}
	}
	long := block.Encode(firstSpec(cbor.RawMessage{0x18, 1})) // 1 in two bytes
	if _, err := ledger.BodyOf[ledger.RunSpec](&ledger.Signed{Kind: ledger.KindOpen, Body: long, Sig: []byte{1}}, ledger.KindOpen); !errors.Is(err, ledger.ErrMalformed) {
		t.Errorf("not in DAG-CBOR's form: %v", err)
	}
}

// TestNewStrategy: what is said comes back, and nothing said leaves no field.
func TestNewStrategy(t *testing.T) {
	params := map[string]string{"norm": "1.5"}
	m, err := ledger.NewStrategy(ledger.Method{Outer: "nesterov", Params: params}).Read()
	if err != nil || m.Outer != "nesterov" || !maps.Equal(m.Params, params) || m.String() != "outer step nesterov, norm 1.5" {
		t.Errorf("%s, %v", m, err)
	}
	state := block.Sum(block.DagCBOR, []byte("state"))
	with := ledger.NewStrategy(ledger.Method{Outer: "nesterov", Params: params}).WithState(state)
	m, err = with.Read()
	if err != nil || m.Outer != "nesterov" || !maps.Equal(m.Params, params) || with.State() != state {
		t.Errorf("with a state: %+v, %v", m, err)
	}
	for _, outer := range []string{"", "none"} {
		if s := ledger.NewStrategy(ledger.Method{Outer: outer, Params: map[string]string{}}); !s.IsZero() {
			t.Errorf("%q: %x", outer, s)
		}
	}
	plain, named := ledger.RunSpec{Name: "a"}, ledger.RunSpec{Name: "a", Strategy: ledger.NewStrategy(ledger.Method{Outer: "none"})}
	if plain.ID() != named.ID() {
		t.Error("a run that names no step has another CID")
	}
}
