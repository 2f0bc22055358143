package deal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weft-mesh/weft/hint"
)

// MaxSites is how many sites a file can be dealt to: the parts are written all at a time.
const MaxSites = 500

// limits bound the size of a file, unpacked.
type limits struct {
	bytes int64
	rows  int
}

var standard = limits{bytes: 4 << 30, rows: 50_000_000}

// Options say how a file is dealt out.
type Options struct {
	Sites []string // names, of which the parts get theirs
	Plan  Plan
	Label string // a column, key or array; empty: one is guessed
	Seed  uint64
	Dir   string // folder for the parts; there is none of their files yet
}

// Part is one site's share of a file.
type Part struct {
	Site   string
	Path   string
	Rows   int
	Labels map[string]int // rows of each label; nil without a label
}

// Dealt is a file that was dealt out.
type Dealt struct {
	Parts []Part // as the sites in Options
	Rows  int
	Label string // the column, key or array; empty if rows were dealt without one
}

// Validate says what is wrong with the options, if anything.
func (o *Options) Validate() error {
	if len(o.Sites) < 1 || len(o.Sites) > MaxSites {
		return fmt.Errorf("data for %d sites, want 1 to %d", len(o.Sites), MaxSites)
	}
	for i, name := range o.Sites {
		if name != filepath.Base(name) || !filepath.IsLocal(name) {
			return fmt.Errorf("no file can have the name of site %q", name)
		}
		if slices.Contains(o.Sites[:i], name) {
			return fmt.Errorf("two sites are called %q", name)
		}
	}
	return o.Plan.Validate()
}

// format is a data file of some kind.
type format interface {
	// survey reads the labels, and checks the rows on the way.
	survey(w wish) (*labels, error)
	// write writes each row to the part of its site, which is given by number.
	write(w wish, h *hand, parts []*part) error
}

// File deals a data file out to sites. If it fails, it removes the parts again.
func File(path string, o Options) (*Dealt, error) { return file(path, o, standard) }

func file(path string, o Options, lim limits) (*Dealt, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	f, ext, err := open(path, lim)
	if err != nil {
		return nil, within(path, err)
	}
	w := wish{name: o.Label, must: o.Label != "" || o.Plan.needsLabel()}
	l, err := f.survey(w)
	if err != nil {
		return nil, within(path, err)
	}
	h, err := newHand(l, len(o.Sites), o.Plan, o.Seed)
	if err != nil {
		return nil, within(path, err)
	}
	d := &Dealt{Rows: l.rows, Label: l.column}
	counts := h.labelCounts()
	for i, site := range o.Sites {
		d.Parts = append(d.Parts, Part{site, filepath.Join(o.Dir, site+ext), h.counts[i], counts[i]})
	}
	parts, err := create(d.Parts)
	if err != nil {
		return nil, err
	}
	if err := finish(parts, f.write(w, h, parts)); err != nil {
		return nil, within(path, err)
	}
	return d, nil
}

// open returns a file by its extension, and that of its parts, which are not packed.
func open(path string, lim limits) (format, string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, "", errors.Unwrap(err) // without the path, which is added to all errors
	case !info.Mode().IsRegular():
		return nil, "", hint.Add(errors.New("it is no regular file"), "it is read twice: name a file")
	case info.Size() > lim.bytes:
		return nil, "", tooLarge(lim)
	}
	name, packed := strings.CutSuffix(strings.ToLower(filepath.Base(path)), ".gz")
	ext := filepath.Ext(name)
	t := &text{path: path, packed: packed, lim: lim}
	switch {
	case ext == ".csv":
		t.syntax = newCSV
	case ext == ".jsonl" || ext == ".ndjson":
		t.syntax = newJSONL
	case ext == ".npz" && !packed:
		return &npz{path: path, lim: lim}, ext, nil
	default:
		return nil, "", hint.Add(errors.New("no known kind of data file"), "the name ends in .csv, .jsonl, .ndjson, the same with .gz, or .npz")
	}
	return t, ext, nil
}

func tooLarge(lim limits) error {
	return hint.Add(fmt.Errorf("it has more than %d bytes", lim.bytes), "deal out a sample of it")
}

func tooMany(lim limits) error {
	return hint.Add(fmt.Errorf("it has more than %d rows", lim.rows), "deal out a sample of it")
}

// within says in which file an error is, in front of it rather than around: around a hint it would not be shown.
func within(path string, err error) error {
	var h *hint.Error
	if errors.As(err, &h) {
		return hint.Add(within(path, h.Err), h.Hint)
	}
	return fmt.Errorf("%s: %w", path, err)
}
