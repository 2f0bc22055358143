package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/weft-mesh/weft/round"
)

// mesh returns a world of n honest sites that does a run of so many rounds.
func mesh(n int, rounds uint64, edit func(*Config)) Config {
	y := &Synthetic{Bytes: 1e6, Time: 10 * time.Second, Spread: 0.2}
	c := Config{Seed: 1, Faults: round.Byzantine, Workload: y, Check: true, Acts: []Act{{At: 5 * time.Second, Do: round.OpenRun{Spec: y.Spec("r", rounds)}}}}
	for i := range n {
		c.Sites = append(c.Sites, Site{Name: fmt.Sprint(i + 1)})
	}
	if edit != nil {
		edit(&c)
	}
	return c
}

func play(t testing.TB, c Config, until time.Duration) *World {
	t.Helper()
	w, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Run(until, w.Finished); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestCalmMesh(t *testing.T) {
	for _, n := range []int{1, 3, 4, 7} {
		w := play(t, mesh(n, 5, nil), time.Hour)
		if !w.Finished() {
			t.Errorf("n=%d: not finished after %v, height %d", n, w.Now(), w.Machine(0).Ledger().Height())
		}
		if n > 1 && w.Now() > 3*time.Minute {
			t.Errorf("n=%d: five rounds of 10 to 12 s take %v", n, w.Now())
		}
	}
}

// trace returns all that a world writes.
func trace(t *testing.T, c Config) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	c.Observe = func(at time.Duration, site int, tr round.Trace) {
		if err := enc.Encode(struct {
			At   time.Duration
			Site int
			round.Trace
		}{at, site, tr}); err != nil {
			t.Fatal(err)
		}
	}
	play(t, c, time.Hour)
	return out.Bytes()
}

func TestSameSeedSameTrace(t *testing.T) {
	c := func(seed uint64) Config {
		return mesh(7, 5, func(c *Config) {
			c.Seed = seed
			c.Path = func(int, int) Path {
				return Path{Latency: 20 * time.Millisecond, Jitter: 30 * time.Millisecond, Loss: 0.05, Duplicate: 0.05}
			}
			c.Plan = []Fault{
				{Kind: Crash, At: 12 * time.Second, For: 20 * time.Second, Sites: []int{2}},
				{Kind: Partition, At: 40 * time.Second, For: 20 * time.Second, Sites: []int{0, 1, 4}},
				{Kind: StallDisk, At: 62 * time.Second, For: 5 * time.Second, Sites: []int{5}},
			}
		})
	}
	a, b := trace(t, c(3)), trace(t, c(3))
	if !bytes.Equal(a, b) {
		t.Error("the same seed gives another trace")
	}
	if bytes.Equal(a, trace(t, c(4))) {
		t.Error("another seed gives the same trace")
	}
}

func BenchmarkMesh(b *testing.B) {
	for _, n := range []int{4, 16, 64, 200} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var events, rounds uint64
			for b.Loop() {
				w := play(b, mesh(n, 3, func(c *Config) { c.Check = false }), time.Hour)
				events += w.Events()
				rounds += w.Machine(0).Ledger().Runs()[0].Round - 1
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
			b.ReportMetric(float64(events)/float64(rounds), "events/round")
		})
	}
}
