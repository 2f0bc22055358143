package checkpoint

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/tensor"
)

// personal is a model with a normalisation and a head, which is tied.
var personal = file{
	"body.weight": floats(1, 2), "bn.weight": floats(3), "bn.count": counter(7), "mask": {tensor.Bool, []uint64{1}, []byte{1}},
	"head.weight": floats(4, 5),
}

var personalAliases = map[string]string{"head.tied": "head.weight"}

func openPersonal(t *testing.T) *Checkpoint {
	t.Helper()
	c, err := Open(filepath.Join(write(t, map[string][]byte{"m.safetensors": personal.bytes(personalAliases, true)}), "m.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestLocal: what stays at the sites is among the constants, counters too, in no model that is written, and in the whole one.
func TestLocal(t *testing.T) {
	c := openPersonal(t)
	local := tensor.Patterns{"bn.*", "head.*"}
	if err := c.SetLocal(local); err != nil {
		t.Fatal(err)
	}
	p, err := c.Split(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	weights, err := os.ReadFile(p.Weights)
	if err != nil {
		t.Fatal(err)
	}
	constants, err := os.ReadFile(p.Constants)
	if err != nil {
		t.Fatal(err)
	}
	if f, _ := read(t, weights); !same(f, file{"body.weight": personal["body.weight"]}) {
		t.Errorf("weights: %v", f)
	}
	if f, _ := read(t, constants); len(f) != 4 || !same(f, file{"bn.weight": f["bn.weight"], "bn.count": f["bn.count"], "mask": f["mask"], "head.weight": personal["head.weight"]}) {
		t.Errorf("constants: %v", f)
	}
	for _, x := range []struct {
		without tensor.Patterns
		want    file
		aliases int
	}{
		{nil, personal, 1},
		{local, file{"body.weight": personal["body.weight"], "mask": personal["mask"]}, 0},
	} {
		var merged bytes.Buffer
		if err := Merge(&merged, bytes.NewReader(weights), bytes.NewReader(constants), p.Aliases, Leave{Local: x.without}); err != nil {
			t.Fatal(err)
		}
		if f, aliases := read(t, merged.Bytes()); !same(f, x.want) || len(aliases) != x.aliases {
			t.Errorf("without %v: %v, aliases %v", x.without, f, aliases)
		}
	}
}

// TestLocalRefused: an error names the pattern that is at fault.
func TestLocalRefused(t *testing.T) {
	for _, x := range []struct {
		local tensor.Patterns
		names string
	}{
		{tensor.Patterns{"bn.*", "classifier.*"}, `"classifier.*" is no pattern of a name`},
		{tensor.Patterns{"*"}, `"*"`},
		{tensor.Patterns{"b*", "h*"}, "no weights"},
		{tensor.Patterns{"head.weight"}, `"head.tied"`},
		{tensor.Patterns{"head.tied"}, `"head.weight"`},
	} {
		if err := openPersonal(t).SetLocal(x.local); !errors.Is(err, ErrLocal) || !strings.Contains(err.Error(), x.names) {
			t.Errorf("%v: %v", x.local, err)
		}
	}
}

// TestPlainLocal: a file of weights alone is parted too if some of them stay.
func TestPlainLocal(t *testing.T) {
	c, err := Open(filepath.Join(write(t, map[string][]byte{"m.safetensors": file{"a": floats(1), "b": floats(2)}.bytes(nil, false)}), "m.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetLocal(tensor.Patterns{"b"}); err != nil || c.Plain() {
		t.Errorf("%v, plain %v", err, c.Plain())
	}
}
