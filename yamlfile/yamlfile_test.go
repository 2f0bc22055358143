package yamlfile

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// sample is a document with every kind of value.
type sample struct {
	Name  string            `yaml:"name"`
	Count Count             `yaml:"count"`
	Small int               `yaml:"small"`
	Large uint64            `yaml:"large"`
	Share float64           `yaml:"share"`
	On    bool              `yaml:"on"`
	Size  Size              `yaml:"size"`
	For   Duration          `yaml:"for"`
	Free  map[string]Scalar `yaml:"free"`
	List  []Inner           `yaml:"list"`
	Inner `yaml:",inline"`
}

// Inner is a part of it.
type Inner struct {
	Note string `yaml:"note"`
}

func TestDecode(t *testing.T) {
	var s sample
	const text = "name: a\ncount: 3\nsize: 1.5 KiB\nfor: 1d2h\nfree: {a: 0.10, b: yes, c: \"x\"}\nlist:\n  - note: b\n  - {note: c}\nnote: d\n"
	if _, err := Decode("f.yaml", []byte(text), 1000, &s); err != nil {
		t.Fatal(err)
	}
	var marked sample
	if _, err := Decode("f.yaml", []byte("\xef\xbb\xbf"+text), 1000, &marked); err != nil || marked.Note != "d" {
		t.Errorf("with the mark of Windows' editors: %+v, %v", marked, err)
	}
	if s.Count != 3 || s.Size != 1536 || time.Duration(s.For) != 26*time.Hour || s.Free["a"] != "0.10" || s.Free["b"] != "yes" || s.Free["c"] != "x" || s.List[1].Note != "c" || s.Note != "d" {
		t.Errorf("got %+v", s)
	}
}

func TestDecodeSaysWhere(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"name: a\nnam: b\n", `f.yaml:2: unknown field "nam"`},
		{"name: a\nname: b\n", "f.yaml:2: "},
		{"name: a\nlist:\n  - nte: b\n", `f.yaml:3: unknown field "nte"`},
		{"count: many\n", "f.yaml:1: count: want a whole number"},
		{"count: -1\n", "f.yaml:1: count: want a whole number from 0, not -1"},
		{"count: 1.5\n", "f.yaml:1: count: want a whole number from 0, not 1.5"},
		{"count: .inf\n", "f.yaml:1: count: want a whole number from 0, not .inf"},
		{"count: \"3\"\n", `f.yaml:1: count: want a whole number from 0, not "3"`},
		{"count: [3]\n", "f.yaml:1: count: want a whole number from 0, not a list"},
		{"small: 1e30\n", "f.yaml:1: small: want a whole number, not 1e30"},
		{"small: few\n", "f.yaml:1: small: want a whole number"},
		{"large: -3\n", "f.yaml:1: large: want a whole number from 0, not -3"},
		{"share: [1]\n", "f.yaml:1: share: want a number"},
		{"on: 3\n", "f.yaml:1: on: want true or false"},
		{"name: a\nlist: 3\n", "f.yaml:2: list: want a list"},
		{"list:\n  - note: a\n  - note: [b]\n", "f.yaml:3: list[1].note: want text"},
		{"list: {}\n", "f.yaml:1: list: want a list, not fields"},
		{"free: 3\n", "f.yaml:1: free: want fields"},
		{"free: {a: [1]}\n", "f.yaml:1: free.a: want a number or a word, not a list"},
		{"\nfor: 90\n", `f.yaml:2: for: "90" is not a time span`},
		{"for: -3s\n", `f.yaml:1: for: "-3s" is not a time span`},
		{"for: [3s]\n", `f.yaml:1: for: "" is not a time span`},
		{"size: 3 furlongs\n", `f.yaml:1: size: "3 furlongs" is not a size`},
		{"name: &a b\nfree: {x: *a}\n", "f.yaml:1: anchors"},
		{"name: a\nlist: !!binary aGk=\n", "f.yaml:2: anchors, aliases and tags"},
		{"name: a\n---\nname: b\n", "f.yaml: 2 YAML documents"},
		{"name: [\n", "f.yaml:1: "},
		{strings.Repeat("#", 1001), "f.yaml: 1001 bytes, at most 1000"},
	} {
		var s sample
		_, err := Decode("f.yaml", []byte(c.text), 1000, &s)
		if !errors.As(err, new(*Error)) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q:\n got %v\nwant %s", c.text[:min(len(c.text), 80)], err, c.want)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: more than one line: %v", c.text, err)
		}
	}
}

func TestWrongNamesTheNearestLine(t *testing.T) {
	var s sample
	f, err := Decode("f.yaml", []byte("name: a\n\nlist:\n  - note: b\n\n  - note: c\nfree:\n  k: 3\n"), 1000, &s)
	if err != nil {
		t.Fatal(err)
	}
	for field, line := range map[string]int{
		"name": 1, "list": 3, "list[0].note": 4, "list[1]": 6, "list[1].note": 6, "list[1].other": 6, "list[7].note": 3,
		"free": 7, "free.k": 8, "free.k.deeper": 8, "nosuch": 0, "": 0,
	} {
		if got := f.Wrong(field, "bad"); got.Line != line {
			t.Errorf("%s: line %d, want %d", field, got.Line, line)
		}
	}
	if got := f.Wrong("list[1].note", "too %s", "short").Error(); got != "f.yaml:6: list[1].note: too short" {
		t.Errorf("got %q", got)
	}
	empty, err := Decode("f.yaml", nil, 1000, &s)
	if err != nil || empty.Wrong("name", "missing").Error() != "f.yaml: name: missing" {
		t.Errorf("empty: %v", err)
	}
}

func TestSize(t *testing.T) {
	for s, want := range map[string]Size{"0": 0, "1024": 1024, "50MB": 50e6, "1.5 GiB": 3 << 29, "64kib": 65536, "7B": 7, "1.5 TB": 15e11, "1TiB": 1 << 40} {
		if got, err := ParseSize(s); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "MB", "-1", "1e30GB", "5 PB", "20TB", "NaN", "0x10"} {
		if got, err := ParseSize(s); err == nil {
			t.Errorf("%q: %d, want an error", s, got)
		}
	}
}

func TestDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"0s": 0, "250ms": 250 * time.Millisecond, "1h30m": 90 * time.Minute, "2d": 48 * time.Hour, "1d12h": 36 * time.Hour, "1.5h": 90 * time.Minute,
	} {
		if got, err := ParseDuration(s); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "5", "-1s", "1.5d", "d", "400d", "365d9999h", "99999999999999h", "1 fortnight"} {
		if got, err := ParseDuration(s); err == nil {
			t.Errorf("%q: %v, want an error", s, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("name: a\nlist: [{note: b}]\nfree: {a: 1}\n"))
	f.Add([]byte("? [a]\n: b\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s sample
		file, err := Decode("f.yaml", data, 1000, &s)
		if err == nil {
			file.Wrong("list[0].note", "x")
			file.Wrong("free.a", "x")
			return
		}
		if !errors.As(err, new(*Error)) || strings.Contains(err.Error(), "\n") {
			t.Fatalf("%q: %v", data, err)
		}
	})
}
