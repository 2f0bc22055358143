package main

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/ledger"
)

// A run that another site has opened says what it likes in its hyperparameters; what is printed of it commands no terminal.
func TestCatOfHostileRun(t *testing.T) {
	train := map[string]string{"csi": "a\u009b2Jb", "bidi": "a\u202eb", "esc": "\x1b]0;x\a"}
	by, err := peer.IDFromBytes(append([]byte{0, 36, 8, 1, 18, 32}, make([]byte, 32)...))
	if err != nil {
		t.Fatal(err)
	}
	o, err := describe(block.Of(&ledger.RunSpec{Name: "x", By: by, Base: block.Sum(block.DagCBOR, nil), Layout: block.Sum(block.DagCBOR, nil), Train: train, Nonce: make([]byte, 16)}))
	if err != nil || o.Kind != "run" {
		t.Fatalf("%s, %v", o.Kind, err)
	}
	var b bytes.Buffer
	if err := (&env{out: term.New(&b)}).printJSON(o); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.String() {
		if !unicode.IsPrint(r) && r != '\n' {
			t.Errorf("%U is printed", r)
		}
	}
	var back struct {
		Value struct{ Train map[string]string }
	}
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back.Value.Train["csi"] != train["csi"] || back.Value.Train["bidi"] != train["bidi"] {
		t.Errorf("%q, %v", back.Value.Train, err)
	}
}
