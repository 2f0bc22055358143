package ledger_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// TestConstantsAreNoMatterOfValidity: whatever an opener writes into the field, a site reads the run.
func TestConstantsAreNoMatterOfValidity(t *testing.T) {
	many := map[string]any{}
	for i := range ledger.MaxAliases + 1 {
		many[fmt.Sprint("n", i)] = "w"
	}
	link := func(c block.Codec) cbor.RawMessage { return block.Encode(block.Sum(c, []byte("x"))) }
	manyFiles := map[string]any{}
	for i := range ledger.MaxFrozen + 1 {
		manyFiles[fmt.Sprint("n", i)] = link(block.Raw)
	}
	for name, c := range map[string]struct {
		value    any
		readable bool
	}{
		"tensors":        {map[string]any{"tensors": link(block.DagCBOR)}, true},
		"aliases":        {map[string]any{"aliases": map[string]any{"lm_head.weight": "wte.weight"}}, true},
		"both":           {map[string]any{"tensors": link(block.DagCBOR), "aliases": map[string]any{"a": "b"}}, true},
		"number":         {5, false},
		"null":           {cbor.RawMessage{0xf6}, false},
		"no manifest":    {map[string]any{"tensors": link(block.Raw)}, false},
		"text":           {map[string]any{"tensors": "x"}, false},
		"empty name":     {map[string]any{"aliases": map[string]any{"": "w"}}, false},
		"long name":      {map[string]any{"aliases": map[string]any{"a": strings.Repeat("n", ledger.MaxTensorName+1)}}, false},
		"many names":     {map[string]any{"aliases": many}, false},
		"local":          {map[string]any{"local": []string{"*.bn*"}}, true},
		"empty pattern":  {map[string]any{"local": []string{""}}, false},
		"long pattern":   {map[string]any{"local": []string{strings.Repeat("*", ledger.MaxTensorName+1)}}, false},
		"many patterns":  {map[string]any{"local": slices.Repeat([]string{"*"}, ledger.MaxLocal+1)}, false},
		"frozen":         {map[string]any{"frozen": map[string]any{"sub/config.json": link(block.Raw)}}, true},
		"no bytes":       {map[string]any{"frozen": map[string]any{"config.json": link(block.DagCBOR)}}, false},
		"long file name": {map[string]any{"frozen": map[string]any{strings.Repeat("n", ledger.MaxFrozenName+1): link(block.Raw)}}, false},
		"many files":     {map[string]any{"frozen": manyFiles}, false},
		"a later field":  {map[string]any{"later": 1}, false},
	} {
		fields := firstSpec(nil)
		fields["constants"] = c.value
		body := block.Encode(fields)
		s := ledger.Signed{Kind: ledger.KindOpen, Body: body, Sig: []byte{1}}
		spec, err := ledger.BodyOf[ledger.RunSpec](&s, ledger.KindOpen)
		if err != nil || len(s.Unknown()) > 0 {
			t.Errorf("%s: %v, unknown %v", name, err, s.Unknown())
			continue
		}
		if again := block.Encode(spec); !bytes.Equal(again, body) {
			t.Errorf("%s: encoded again: %x, want %x", name, again, body)
		}
		if _, err := spec.Constants.Read(); (err == nil) != c.readable || err != nil && !errors.Is(err, ledger.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
		text, err := json.Marshal(spec.Constants)
		var back ledger.Constants
		if err == nil {
			err = json.Unmarshal(text, &back)
		}
		if err != nil || !bytes.Equal(back.Passed, spec.Constants.Passed) {
			t.Errorf("%s: as JSON %s, and back %x, %v", name, text, back, err)
		}
	}
}

// TestNewConstants: what is said comes back, and nothing said leaves no field, so that descriptions keep their CIDs.
func TestNewConstants(t *testing.T) {
	want := ledger.Beside{Tensors: block.Sum(block.DagCBOR, []byte("counters")), Aliases: map[string]string{"head": "embed"}, Local: []string{"*.bn*"}}
	c := ledger.NewConstants(want)
	if got, err := c.Read(); err != nil || c.Tensors() != want.Tensors || !reflect.DeepEqual(got, want) {
		t.Errorf("%v %v", got, err)
	}
	without := ledger.RunSpec{Name: "a", Constants: ledger.NewConstants(ledger.Beside{Aliases: map[string]string{}, Local: []string{}})}
	if plain := (&ledger.RunSpec{Name: "a"}); !without.Constants.IsZero() || plain.ID() != without.ID() {
		t.Error("a run without constants has another CID")
	}
}

func FuzzConstants(f *testing.F) {
	f.Add([]byte(ledger.NewConstants(ledger.Beside{Tensors: block.Sum(block.DagCBOR, nil), Aliases: map[string]string{"a": "b"}, Local: []string{"c*"}}).Passed))
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := ledger.Constants{Passed: data}.Read()
		if err != nil {
			return
		}
		if again := ledger.NewConstants(b); len(data) > 1 && !bytes.Equal(again.Passed, data) {
			t.Fatalf("%x is read as what is written %x", data, again.Passed)
		}
	})
}
