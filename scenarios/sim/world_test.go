package sim

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/trace"
)

// mesh returns a world of n honest sites that does a run of so many rounds.
func mesh(n int, rounds uint64, edit func(*Config)) Config {
	y := &Synthetic{Bytes: 1e6, Time: 10 * time.Second, Spread: 0.2}
	c := Config{Seed: 1, Faults: ledger.Byzantine, Workload: y, Check: true, Acts: []Act{{At: 5 * time.Second, Do: runs.OpenRun{Spec: y.Spec("r", rounds)}}}}
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

// traceOf returns all that a world writes.
func traceOf(t *testing.T, c Config) []byte {
	var out bytes.Buffer
	c.Observe = func(at time.Duration, site int, tr trace.Event) {
		line, err := trace.Marshal(struct {
			At   time.Duration
			Site int
		}{at, site}, tr)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(line, '\n'))
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
	a, b := traceOf(t, c(3)), traceOf(t, c(3))
	if !bytes.Equal(a, b) {
		t.Error("the same seed gives another trace")
	}
	if bytes.Equal(a, traceOf(t, c(4))) {
		t.Error("another seed gives the same trace")
	}
}

// BenchmarkMesh measures the simulator, and what a round costs a site: messages as their authors send
// them, one for each receiver; gossip shares the work of carrying them.
func BenchmarkMesh(b *testing.B) {
	for _, n := range []int{4, 16, 64, 200} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var events, rounds, messages, bytes, blocks, signed, verified float64
			for b.Loop() {
				w := play(b, mesh(n, 5, func(c *Config) { c.Check = false }), time.Hour)
				events += float64(w.Events())
				rounds += 5
				for i := range n {
					t := w.Traffic(i)
					messages += float64(t.MessagesSent) / float64(n)
					bytes += float64(t.MessageBytesSent) / float64(n)
					blocks += float64(t.BlockBytesReceived) / float64(n)
					signed += float64(t.Signed) / float64(n)
					verified += float64(t.Verified) / float64(n)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/events, "ns/event")
			b.ReportMetric(events/rounds, "events/round")
			b.ReportMetric(messages/rounds, "messages/site/round")
			b.ReportMetric(bytes/rounds/1e3, "kB/site/round")
			b.ReportMetric(blocks/rounds/1e6, "MB-received/site/round")
			b.ReportMetric(signed/rounds, "signed/site/round")
			b.ReportMetric(verified/rounds, "checked/site/round")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkAgreement measures how long a height takes in virtual time, from the first ready to the last
// site's decision.
func BenchmarkAgreement(b *testing.B) {
	for name, path := range map[string]Path{"LAN": LAN, "WAN-150ms": {Latency: 150 * time.Millisecond, Jitter: 10 * time.Millisecond, Bandwidth: 12.5e6}} {
		for _, n := range []int{4, 16, 64} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				var took []time.Duration
				for b.Loop() {
					began, ended := map[uint64]time.Duration{}, map[uint64]time.Duration{}
					play(b, mesh(n, 10, func(c *Config) {
						c.Check, c.Path = false, func(int, int) Path { return path }
						c.Observe = func(at time.Duration, _ int, t trace.Event) {
							switch t := t.(type) {
							case trace.Ready:
								if _, known := began[t.Height]; !known {
									began[t.Height] = at
								}
							case trace.Decided:
								ended[t.Height] = at
							}
						}
					}), time.Hour)
					for h, at := range ended {
						took = append(took, at-began[h])
					}
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "virtual-ms/height")
				b.ReportMetric(float64(took[len(took)*9/10].Milliseconds()), "virtual-ms-p90/height")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// TestEffects: every kind of fault and of change does something, and those that last are undone.
func TestEffects(t *testing.T) {
	effects := newEffects()
	for _, kind := range slices.Concat(FaultKinds, RosterKinds) {
		e := effects[kind]
		if e.apply == nil {
			t.Errorf("%s does nothing", kind)
		}
		if over := kind == Jump || slices.Contains(RosterKinds, kind); (e.undo == nil) != over {
			t.Errorf("%s: undone %v", kind, e.undo != nil)
		}
	}
}

// TestFaultOnNoEvent: a fault that waits for an event that there is not would never come.
func TestFaultOnNoEvent(t *testing.T) {
	f := Fault{Kind: Crash, On: "decided", Nth: 1, Sites: []int{0}}
	if err := f.validate(1); err == nil || err.Error() != `crash: no event is of the kind "decided"` {
		t.Error(err)
	}
	if f.On = "decide"; f.validate(1) != nil {
		t.Error(f.validate(1))
	}
}
