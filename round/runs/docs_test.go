package runs

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the tables into docs/architecture.md anew")

const architecture = "../../docs/architecture.md"

// TestTablesInDocs: docs/architecture.md shows the tables as they are.
func TestTablesInDocs(t *testing.T) {
	showTable(t, "training", TrainingTable)
	showTable(t, "round", PhaseTable)
}

func showTable[S, E interface {
	cmp.Ordered
	fmt.Stringer
}](t *testing.T, name string, table map[S]map[E]S) {
	t.Helper()
	data, err := os.ReadFile(architecture)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := fmt.Sprintf("<!-- table %s: go test ./round/runs -run TablesInDocs -rewrite -->\n", name), "<!-- end -->"
	before, rest, ok := strings.Cut(string(data), begin)
	shown, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("%s has no place for the table %s", architecture, name)
	}
	want := printTable(name, table)
	switch {
	case shown == want:
	case *rewrite:
		if err := os.WriteFile(architecture, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s shows another table of %s than there is: go test ./round/runs -run TablesInDocs -rewrite", architecture, name)
	}
}

// printTable writes a table as Markdown: a row for each state, a column for each event.
func printTable[S, E interface {
	cmp.Ordered
	fmt.Stringer
}](name string, table map[S]map[E]S) string {
	events := map[E]bool{}
	for _, moves := range table {
		for e := range moves {
			events[e] = true
		}
	}
	columns := slices.Sorted(maps.Keys(events))
	var b strings.Builder
	row := func(first string, cell func(E) string) {
		b.WriteString("| " + first + " |")
		for _, e := range columns {
			b.WriteString(" " + cell(e) + " |")
		}
		b.WriteString("\n")
	}
	row(name, E.String)
	row("---", func(E) string { return "---" })
	for _, s := range slices.Sorted(maps.Keys(table)) {
		row(fmt.Sprintf("**%s**", s), func(e E) string {
			if to, ok := table[s][e]; ok {
				return to.String()
			}
			return ""
		})
	}
	return b.String()
}
