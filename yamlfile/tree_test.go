package yamlfile_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"

	"github.com/weft-mesh/weft/yamlfile"
)

const commented = `# A file.

# Its name.
name: x # for people

# Where.
list:
  - /ip4/0.0.0.0/tcp/1
  - /ip4/0.0.0.0/tcp/2

inner:
  # Deeper.
  data: builtin:a
  # more: 3

last: no text
`

func TestTreeKeepsTheRest(t *testing.T) {
	tree, err := yamlfile.ParseTree(commented)
	if err != nil {
		t.Fatal(err)
	}
	if got := tree.String(); got != commented {
		t.Fatalf("unedited, it became\n%s", got)
	}
	for field, value := range map[string]string{"inner.data": `C:\x "y"`, "last": "null"} {
		if err := tree.Set(field, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := tree.SetList("list", []string{"a: b", "/plain"}); err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("  - /ip4/0.0.0.0/tcp/1\n  - /ip4/0.0.0.0/tcp/2\n", "  - \"a: b\"\n  - /plain\n", "builtin:a", `"C:\\x \"y\""`, "no text", `"null"`).Replace(commented)
	if got := tree.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := tree.Set("inner.more", "4"); err == nil {
		t.Error("a field that is not there is set")
	}
}

// Whatever a value holds, it is read again as it was.
func TestTreeQuotes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree, err := yamlfile.ParseTree(commented)
		if err != nil {
			t.Fatal(err)
		}
		data := rapid.OneOf(rapid.StringMatching(`[ -~é]{0,20}`), rapid.SampledFrom([]string{"yes", "~", "1.0", "- a", "a #b", "\"", "'", "*x", "&y", "!t", "%", "a:\tb"})).Draw(t, "data")
		list := rapid.SliceOfN(rapid.OneOf(rapid.Just(data), rapid.StringMatching(`[ -~]{0,20}`)), 0, 3).Draw(t, "list")
		if err := tree.Set("inner.data", data); err != nil {
			t.Fatal(err)
		}
		if err := tree.SetList("list", list); err != nil {
			t.Fatal(err)
		}
		var got struct {
			List  []string
			Inner struct{ Data string }
		}
		if err := yaml.Unmarshal([]byte(tree.String()), &got); err != nil {
			t.Fatalf("%v in\n%s", err, tree)
		}
		if got.Inner.Data != data || !slices.Equal(got.List, list) {
			t.Fatalf("%q became %q, %q became %q", data, got.Inner.Data, list, got.List)
		}
	})
}
