package corpus

import (
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// The data sets lie beside the repository.
//
//go:generate go run ../cmd/corpus -data ../../../../shared/data -out samples

//go:embed samples/*.gz
var samples embed.FS

// ErrUnknown is returned for a sample that there is not.
var ErrUnknown = errors.New("no such sample")

// Prefix begins the name of every sample, so that it is not taken for a file's.
const Prefix = "builtin:"

// Limits on a sample: its unpacked size in bytes, and how many sites may share it.
const (
	maxSample = 1 << 20
	maxParts  = 256
)

// Kinds returns the kinds of text.
func Kinds() []string { return []string{"shakespeare", "dolly", "wikitext"} }

// Sample is a kind of text, or one of several equal parts of its training text.
type Sample struct {
	Kind        string
	Part, Parts int // which of how many, from 1; 1 of 1 is all of it
}

// Site returns the sample of site i of n, i from 0: the kinds take turns, and the sites
// of one kind share out its training text.
func Site(i, n int) (Sample, error) {
	kinds := Kinds()
	if i < 0 || i >= n || n > maxParts {
		return Sample{}, fmt.Errorf("%w: of site %d of %d; there is text for at most %d", ErrUnknown, i, n, maxParts)
	}
	k := i % len(kinds)
	return Sample{kinds[k], i/len(kinds) + 1, (n - k + len(kinds) - 1) / len(kinds)}, nil
}

// Parse reads a sample's name: "builtin:dolly", or "builtin:dolly/2/3" for the second third.
func Parse(name string) (Sample, error) {
	bad := fmt.Errorf("%w: %.60q; use builtin: and one of %s, perhaps with a part such as /1/2", ErrUnknown, name, strings.Join(Kinds(), ", "))
	kind, ok := strings.CutPrefix(name, Prefix)
	kind, part, split := strings.Cut(kind, "/")
	if !ok || !slices.Contains(Kinds(), kind) {
		return Sample{}, bad
	}
	s := Sample{kind, 1, 1}
	if !split {
		return s, nil
	}
	of, parts, _ := strings.Cut(part, "/")
	var err1, err2 error
	s.Part, err1 = strconv.Atoi(of)
	s.Parts, err2 = strconv.Atoi(parts)
	if err1 != nil || err2 != nil || s.Part < 1 || s.Part > s.Parts || s.Parts > maxParts {
		return Sample{}, bad
	}
	return s, nil
}

// String returns the name that Parse reads.
func (s Sample) String() string {
	if s.Parts <= 1 {
		return Prefix + s.Kind
	}
	return fmt.Sprintf("%s%s/%d/%d", Prefix, s.Kind, s.Part, s.Parts)
}

// Train returns the sample's training text.
func (s Sample) Train() ([]byte, error) {
	text, err := read(s.Kind + ".train.txt.gz")
	if err != nil {
		return nil, err
	}
	return text[cut(text, s.Part-1, s.Parts):cut(text, s.Part, s.Parts)], nil
}

// Heldout returns the held-out text of the sample's kind: all of it for every part, so that
// sites of one kind are measured alike.
func (s Sample) Heldout() ([]byte, error) { return read(s.Kind + ".heldout.txt.gz") }

func read(name string) ([]byte, error) {
	packed, err := samples.ReadFile("samples/" + name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("sample %s: %w", name, err)
	}
	b, err := io.ReadAll(io.LimitReader(r, maxSample))
	if err != nil {
		return nil, fmt.Errorf("sample %s: %w", name, err)
	}
	return b, nil
}

// cut returns where the part after the first n of parts begins: behind the paragraph
// that an even split would divide.
func cut(text []byte, n, parts int) int {
	at := len(text) * n / max(1, parts)
	if at == 0 || at == len(text) {
		return at
	}
	if i := bytes.Index(text[at:], []byte("\n\n")); i >= 0 {
		return at + i + 2
	}
	return len(text)
}
