package base

import (
	"testing"

	"github.com/weft-mesh/weft/train/builtin/corpus"
)

// TestBaseReadsEnglish: the embedded file is whole, small, and a model that has learnt
// something: a uniform one has loss 5.5, letter frequencies alone give about 3.
func TestBaseReadsEnglish(t *testing.T) {
	if len(file) > 2_500_000 {
		t.Errorf("%d bytes; the binary should carry at most 2.5 MB", len(file))
	}
	m, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	text, err := corpus.Sample{Kind: "wikitext", Part: 1, Parts: 1}.Heldout()
	if err != nil {
		t.Fatal(err)
	}
	loss, err := m.Loss(t.Context(), text[:4<<10], 0)
	if err != nil || loss > 1.9 {
		t.Errorf("loss %v, %v", loss, err)
	}
}

func TestLoadCopies(t *testing.T) {
	a, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	a.Tensors()[0].Data[0]++
	b, err := Load()
	if err != nil || a.Tensors()[0].Data[0] == b.Tensors()[0].Data[0] {
		t.Errorf("two models share memory (%v)", err)
	}
}
