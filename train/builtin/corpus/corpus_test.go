package corpus

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestSitesShareOutTheText(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 7, 12} {
		seen := map[string][]byte{}
		for i := range n {
			s, err := Site(i, n)
			if err != nil {
				t.Fatal(err)
			}
			back, err := Parse(s.String())
			if err != nil || back != s {
				t.Fatalf("%v reads back as %v, %v", s, back, err)
			}
			text, err := s.Train()
			if err != nil || len(text) < 10_000 {
				t.Fatalf("site %d of %d: %d bytes, %v", i, n, len(text), err)
			}
			seen[s.Kind] = append(seen[s.Kind], text...)
		}
		for kind, got := range seen {
			all, err := Sample{kind, 1, 1}.Train()
			if err != nil || !bytes.Equal(got, all) {
				t.Errorf("%d sites: parts of %s do not sum to the whole (%v)", n, kind, err)
			}
		}
	}
}

// TestHeldoutIsDisjoint: no paragraph longer than a heading stands in a training and a held-out text.
func TestHeldoutIsDisjoint(t *testing.T) {
	train := map[string]string{}
	for _, kind := range Kinds() {
		text, err := Sample{kind, 1, 1}.Train()
		if err != nil {
			t.Fatal(err)
		}
		if len(text) < 150<<10 || len(text) > 300<<10 {
			t.Errorf("%s: training text of %d bytes", kind, len(text))
		}
		for p := range strings.SplitSeq(string(text), "\n\n") {
			train[p] = kind
		}
	}
	for _, kind := range Kinds() {
		text, err := Sample{kind, 1, 1}.Heldout()
		if err != nil {
			t.Fatal(err)
		}
		if len(text) < 30_000 {
			t.Errorf("%s: held-out text of %d bytes", kind, len(text))
		}
		if bytes.Contains(text, []byte("<unk>")) || bytes.Contains(text, []byte(" @-@ ")) {
			t.Errorf("%s: traces of the tokeniser", kind)
		}
		for p := range strings.SplitSeq(string(text), "\n\n") {
			if in, ok := train[p]; ok && len(p) > 60 {
				t.Errorf("held-out paragraph of %s is in the training text of %s: %q", kind, in, p)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, name := range []string{"", "dolly", "builtin:", "builtin:bible", "builtin:dolly/0/2", "builtin:dolly/3/2", "builtin:dolly/1", "builtin:dolly/1/9999", "builtin:dolly/1/2/3"} {
		if s, err := Parse(name); !errors.Is(err, ErrUnknown) {
			t.Errorf("Parse(%q) = %v, %v", name, s, err)
		}
	}
	if _, err := Site(3, 3); !errors.Is(err, ErrUnknown) {
		t.Errorf("site 3 of 3: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("builtin:dolly/1/2")
	f.Fuzz(func(t *testing.T, name string) {
		s, err := Parse(name)
		if err != nil {
			return
		}
		if back, err := Parse(s.String()); err != nil || back != s {
			t.Fatalf("%q: %v reads back as %v, %v", name, s, back, err)
		}
	})
}
