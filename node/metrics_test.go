package node

import (
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
)

// scrape asks a node for its metrics as Prometheus does.
func scrape(t *testing.T, c *http.Client, url string) map[string]*dto.MetricFamily {
	t.Helper()
	text := fetch(t, c, url+"/metrics", http.StatusOK)
	if problems, err := promlint.New(strings.NewReader(text)).Lint(); err != nil {
		t.Errorf("metrics: %v", err)
	} else {
		for _, p := range problems {
			if strings.HasPrefix(p.Metric, "weft_") {
				t.Errorf("%s: %s", p.Metric, p.Text)
			}
		}
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return families
}

func fetch(t *testing.T, c *http.Client, url string, status int) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status {
		t.Errorf("%s: %s, %v\n%s", url, resp.Status, err, text)
	}
	return string(text)
}

// freePort returns an address at which nobody listened a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// value returns the value of a family's only metric that has all these labels' values.
func value(f *dto.MetricFamily, labels ...string) float64 {
	for _, m := range f.GetMetric() {
		found := 0
		for _, l := range m.GetLabel() {
			for _, want := range labels {
				if l.GetValue() == want {
					found++
				}
			}
		}
		if found == len(labels) {
			return m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return -1
}

// TestMetrics: a node's metrics are what Prometheus reads, over TCP and the site's socket, and say what the node does; health is
// told apart from being ready.
func TestMetrics(t *testing.T) {
	t.Parallel()
	at := freePort(t)
	sites := newTestMesh(t, 3, func(name, config string) string {
		if name == "a" {
			config += "metrics: " + at + "\n"
		}
		return config
	})
	upAll(sites)
	a := sites[0]
	run := a.start(ledger.RunSpec{Name: "watched", Rounds: 3})
	a.awaitRounds(run, 3)
	url := "http://" + at
	for what, from := range map[string]struct {
		client *http.Client
		url    string
	}{
		"socket": {overSocket(a.dir), "http://weft"},
		"TCP":    {http.DefaultClient, url},
	} {
		m := scrape(t, from.client, from.url)
		for name, want := range map[string]float64{
			"weft_sites": 3, "weft_quorum": 2, "weft_sites_reachable": 3, "weft_problem": 0, "weft_protocol": ledger.Newest, "weft_rounds_total": 3, "weft_round_seconds": 3,
		} {
			if got := value(m[name]); got != want {
				t.Errorf("%s: %s is %v, want %v", what, name, got, want)
			}
		}
		for name, labels := range map[string][]string{
			"weft_site_info": {"a", "test"}, "weft_runs": {"done"}, "weft_peer_connected": {"b"}, "weft_block_bytes_total": {"received"}, "weft_events_total": {"decide"},
			"weft_gossip_messages_total": {"delivered"}, "weft_gossip_bytes_total": {"sent"}, "weft_round_phase_seconds": {"training"}, "weft_disk_room_bytes": nil,
			"go_goroutines": nil, "process_resident_memory_bytes": nil, "libp2p_swarm_connections_opened_total": nil,
		} {
			if got := value(m[name], labels...); got <= 0 {
				t.Errorf("%s: %s%q is %v", what, name, labels, got)
			}
		}
	}
	documented, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range scrape(t, http.DefaultClient, url) {
		if strings.HasPrefix(name, "weft_") && !strings.Contains(string(documented), "`"+name+"`") {
			t.Errorf("docs/metrics.md does not have %s", name)
		}
	}
	fetch(t, http.DefaultClient, url+"/v1/status", http.StatusNotFound)
	fetch(t, http.DefaultClient, url+"/healthz", http.StatusOK)
	fetch(t, http.DefaultClient, url+"/readyz", http.StatusOK)
	sites[1].down()
	sites[2].down()
	a.await("a problem", func(st *api.Status) bool { return st.Problem != "" })
	fetch(t, http.DefaultClient, url+"/healthz", http.StatusOK)
	if text := fetch(t, http.DefaultClient, url+"/readyz", http.StatusServiceUnavailable); !strings.Contains(text, "no other site can be reached") {
		t.Errorf("not ready: %s", text)
	}
}
