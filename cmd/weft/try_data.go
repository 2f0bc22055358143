//go:build !node

package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/cmd/weft/try"
	"github.com/weft-mesh/weft/scenarios/deal"
)

// labelsShown are the labels whose counts are told; those of many are in the files.
const labelsShown = 12

// tryData is how `weft try` deals a file of rows out to the sites.
type tryData struct {
	file      string
	partition string
	label     string
	seed      uint64
}

func (d *tryData) flags(f *pflag.FlagSet) {
	f.StringVar(&d.file, "data", "", "a `file` of rows (.csv, .jsonl, .npz), which is dealt out to the sites")
	f.StringVar(&d.partition, "partition", "iid", "how rows are dealt out: iid, dirichlet:ALPHA or label:N, as many labels a site")
	f.StringVar(&d.label, "label", "", "the `column` that --partition goes by; default: label, target, class or y, or a table's last")
	f.Uint64Var(&d.seed, "seed", 1, "of the dealing: the same seed deals the same")
}

// check says what is wrong with the flags, if anything.
func (d *tryData) check(command []string) error {
	wants := slices.ContainsFunc(command, func(arg string) bool { return strings.Contains(arg, "{data}") })
	switch _, err := deal.ParsePlan(d.partition); {
	case err != nil:
		return hinted(errUsage, err, "")
	case d.file == "" && wants:
		return usage("{data} in the command stands for a site's part of the data: name the file with --data")
	case d.file == "" && (d.label != "" || d.partition != "iid"):
		return usage("--partition and --label are about a file of rows: name it with --data")
	case d.file != "" && !wants:
		return usage("the command does not say where the script gets the site's part of %s: put {data} there", d.file)
	}
	return nil
}

// deal writes each site's part below the folder of the sites' directories, and tells what is in it.
func (d *tryData) deal(e *env, config *try.Config) ([]deal.Part, error) {
	if d.file == "" {
		return nil, nil
	}
	plan, err := deal.ParsePlan(d.partition)
	if err != nil {
		return nil, err
	}
	o := deal.Options{Plan: plan, Label: d.label, Seed: d.seed, Dir: filepath.Join(config.Dir, "data")}
	for _, s := range config.Sites {
		o.Sites = append(o.Sites, s.Name)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	dealt, err := deal.File(d.file, o)
	if err != nil {
		return nil, hinted(errUsage, err, "")
	}
	e.err.Printf("%s", d.text(e.err, dealt))
	return dealt.Parts, nil
}

// text is a table of who has how many rows of which label.
func (d *tryData) text(out *term.Out, dealt *deal.Dealt) string {
	by := ""
	if dealt.Label != "" {
		by = fmt.Sprintf(" by %q", dealt.Label)
	}
	counts := map[string]int{}
	for _, p := range dealt.Parts {
		for label, n := range p.Labels {
			counts[label] += n
		}
	}
	labels := slices.Sorted(maps.Keys(counts))
	if len(labels) > labelsShown {
		slices.SortStableFunc(labels, func(a, b string) int { return cmp.Compare(counts[b], counts[a]) })
		labels = labels[:labelsShown]
	}
	columns := []term.Column{{Name: "site"}, {Name: "rows", Right: true}}
	for _, label := range labels {
		columns = append(columns, term.Column{Name: printable(label), Right: true, Shrink: true})
	}
	t := term.NewTable(columns...)
	for _, p := range dealt.Parts {
		cells := []string{p.Site, fmt.Sprint(p.Rows)}
		for _, label := range labels {
			cells = append(cells, fmt.Sprint(p.Labels[label]))
		}
		t.Row(cells...)
	}
	return fmt.Sprintf("%s: %s%s, %s, seed %d\n%s\n", filepath.Base(d.file), term.Plural(dealt.Rows, "row"), by, d.partition, d.seed, t.Text(out.Columns(), out.Dim))
}

// printable is a label as a table shows it: what is in a file may command a terminal.
func printable(label string) string {
	if quoted := fmt.Sprintf("%+q", label); quoted != `"`+label+`"` {
		return quoted
	}
	return label
}
