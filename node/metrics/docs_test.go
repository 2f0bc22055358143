package metrics

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

var rewrite = flag.Bool("rewrite", false, "write the table into docs/metrics.md anew")

const (
	docs      = "../../docs/metrics.md"
	dashboard = "../../docs/grafana.json"
)

// described matches what a description says of itself.
var described = regexp.MustCompile(`fqName: "([^"]+)", help: "([^"]*)", .*variableLabels: \{([^}]*)\}`)

// table lists all metrics of the package as Markdown.
func table() string {
	all := make(chan *prometheus.Desc, 100)
	(&collector{rounds: newRounds()}).Describe(all)
	close(all)
	text := "| metric | labels | meaning |\n|---|---|---|\n"
	for d := range all {
		m := described.FindStringSubmatch(d.String())
		text += fmt.Sprintf("| `%s` | %s | %s |\n", m[1], strings.ReplaceAll(m[3], ",", ", "), m[2])
	}
	return text
}

// TestDocs: docs/metrics.md has the metrics as they are.
func TestDocs(t *testing.T) {
	data, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- table: go test ./node/metrics -run Docs -rewrite -->\n", "<!-- end -->"
	before, rest, ok := strings.Cut(string(data), begin)
	shown, after, ended := strings.Cut(rest, end)
	switch want := table(); {
	case !ok || !ended:
		t.Fatalf("%s has no place for the table", docs)
	case shown == want:
	case *rewrite:
		if err := os.WriteFile(docs, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s lists other metrics than there are: go test ./node/metrics -run Docs -rewrite", docs)
	}
}

// TestDashboard: the dashboard asks for no metric that is not documented.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	board, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`\b(weft|process|go)_[a-z_]+`).FindAllString(string(board), -1)
	if len(names) < 20 {
		t.Errorf("%s has %d names of metrics", dashboard, len(names))
	}
	for _, name := range names {
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if !strings.Contains(string(text), "`"+name+"`") && !strings.Contains(string(text), "`"+base+"`") {
			t.Errorf("%s asks for %s, which %s does not have", dashboard, name, docs)
		}
	}
}
