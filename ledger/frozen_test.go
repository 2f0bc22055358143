package ledger_test

import (
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

func frozen(files ...string) ledger.Frozen {
	f := ledger.Frozen{}
	for i := 0; i < len(files); i += 2 {
		f[files[i]] = block.Sum(block.Raw, []byte(files[i+1]))
	}
	return f
}

// TestFrozenDiffers: the first file is named that two folders do not have in common.
func TestFrozenDiffers(t *testing.T) {
	a := frozen("a", "1", "b", "2", "c", "3")
	for want, b := range map[string]ledger.Frozen{
		"":  frozen("c", "3", "b", "2", "a", "1"),
		"b": frozen("a", "1", "b", "x", "c", "x"),
		"a": frozen("b", "2", "c", "3"),
		"d": frozen("a", "1", "b", "2", "c", "3", "d", "4"),
	} {
		if got := a.Differs(b); got != want || b.Differs(a) != want {
			t.Errorf("%v: %q, want %q", b, got, want)
		}
		if (a.Digest() == b.Digest()) != (want == "") {
			t.Errorf("%v: digests %s and %s", b, a.Digest(), b.Digest())
		}
	}
	if (ledger.Frozen{}).Digest().Defined() {
		t.Error("no files have a digest")
	}
}

// FuzzParseFrozen: what is read is within the limits, and is written as it was.
func FuzzParseFrozen(f *testing.F) {
	f.Add(frozen("config.json", "{}", "model.safetensors", "x").String())
	f.Add(`{"a": null}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ledger.ParseFrozen(text)
		if err != nil {
			return
		}
		again, err := ledger.ParseFrozen(list.String())
		if err != nil || list.Differs(again) != "" {
			t.Errorf("%q is read as %v, then as %v, %v", text, list, again, err)
		}
	})
}
