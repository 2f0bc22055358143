package deal

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weft-mesh/weft/hint"
)

// Limits on labels. A column beyond them holds measurements or texts, and is no label.
const (
	maxLabels   = 10_000
	maxLabelLen = 256
)

// guesses are names of the label, the likeliest first, in any case.
var guesses = []string{"label", "labels", "target", "class", "y"}

// guess returns the index of the name that is most likely the label's, -1 if none is.
func guess(names []string) int {
	for _, g := range guesses {
		if i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(strings.TrimSpace(n), g) }); i >= 0 {
			return i
		}
	}
	return -1
}

// wish says which label is wanted.
type wish struct {
	name string // empty: guess
	must bool   // no label is an error; otherwise rows are counted by label if there is one
}

// labels are the labels of all rows.
type labels struct {
	column string   // empty if there are none
	names  []string // each label once, sorted
	of     []int32  // a row's place in names
	rows   int
}

// tally gathers labels row by row.
type tally struct {
	labels
	must bool
	ids  map[string]int32
}

// newTally begins with a column, empty if rows have no label.
func newTally(column string, w wish) *tally {
	return &tally{labels: labels{column: column}, must: w.must, ids: map[string]int32{}}
}

// counting reports whether labels are still asked for.
func (t *tally) counting() bool { return t.column != "" }

// skip counts a row without a label.
func (t *tally) skip() { t.rows++ }

// add counts a row, and its label unless err says why it has none that can be used.
func (t *tally) add(label string, err error) error {
	t.rows++
	id, known := t.ids[label]
	switch {
	case err != nil:
	case len(label) > maxLabelLen:
		err = fmt.Errorf("the %s has %d bytes, at most %d", t, len(label), maxLabelLen)
	case !known && len(t.names) == maxLabels:
		err = fmt.Errorf("the %s has more than %d different values", t, maxLabels)
	case !known:
		id = int32(len(t.names))
		label = strings.Clone(label) // not with the whole row that it was read with
		t.ids[label], t.names = id, append(t.names, label)
	}
	if err != nil {
		return t.unfit(err)
	}
	t.of = append(t.of, id)
	return nil
}

// String names the label.
func (t *tally) String() string { return fmt.Sprintf("label %q", t.column) }

// unfit drops all labels, or returns why they cannot be used if they must be.
func (t *tally) unfit(err error) error {
	if !t.must {
		t.labels = labels{rows: t.rows}
		return nil
	}
	return hint.Add(err, anotherLabel)
}

const anotherLabel = "name another label with --label, or deal rows without one, as iid"

// done returns the labels in order.
func (t *tally) done() (*labels, error) {
	if many := len(t.names); t.counting() && 2*many > t.rows {
		if err := t.unfit(fmt.Errorf("the %s has %d different values in %d rows: too many for a label", t, many, t.rows)); err != nil {
			return nil, err
		}
	}
	sorted := slices.Clone(t.names)
	slices.SortFunc(sorted, compare)
	place := make([]int32, len(sorted)) // by id
	for i, name := range sorted {
		place[t.ids[name]] = int32(i)
	}
	for i, id := range t.of {
		t.of[i] = place[id]
	}
	t.names = sorted
	return &t.labels, nil
}

// compare orders whole numbers by value, before other labels.
func compare(a, b string) int {
	x, errX := strconv.ParseInt(a, 10, 64)
	y, errY := strconv.ParseInt(b, 10, 64)
	switch {
	case errX == nil && errY == nil:
		return cmp.Or(cmp.Compare(x, y), strings.Compare(a, b))
	case errX == nil:
		return -1
	case errY == nil:
		return 1
	}
	return strings.Compare(a, b)
}
