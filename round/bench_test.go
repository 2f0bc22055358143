package round

import (
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
)

// crowd is a mesh of machines and nothing else that costs: a message is one value for all its receivers, all
// signatures hold, every job is done at once, and a message takes a millisecond.
type crowd struct {
	t        testing.TB
	machines []*Machine
	spec     *ledger.RunSpec
	queue    []posted
	trains   []runs.Train // by machine: under way
	now      time.Duration
	steps    int // messages delivered
}

// posted is a message on its way to one machine, or to all but its sender.
type posted struct {
	from, to int // -1: all
	msg      *Message
}

func newCrowd(t testing.TB, n int) *crowd {
	g := testGenesis(n, ledger.Byzantine)
	c := &crowd{t: t, spec: (&env{sites: []*simSite{{Machine: &Machine{self: g.Sites[0].ID}}}}).spec(ledger.MaxRounds)}
	for _, s := range g.Sites {
		m, err := New(Config{
			Self: s.ID, Genesis: g, Timing: DefaultTiming(), Strict: true,
			Sign:   func(data []byte) []byte { return testSign(s.ID, data) },
			Verify: func(peer.ID, []byte, []byte) bool { return true },
		})
		if err != nil {
			t.Fatal(err)
		}
		c.machines = append(c.machines, m)
	}
	c.trains = make([]runs.Train, n)
	for i, m := range c.machines {
		for _, o := range c.machines {
			if o != m {
				m.Step(0, Connected{o.self})
			}
		}
		c.do(i, m.Ready())
	}
	c.step(0, runs.OpenRun{Spec: c.spec})
	c.drain()
	return c
}

func (c *crowd) step(i int, ev Event) {
	m := c.machines[i]
	m.Step(c.now, ev)
	c.do(i, m.Ready())
}

// do does the work of a machine; each job ends at once.
func (c *crowd) do(i int, w Work) {
	m := c.machines[i]
	for _, s := range w.Send {
		to := -1
		if s.To != "" {
			to, _ = m.roster().Index(s.To)
		}
		c.queue = append(c.queue, posted{i, to, s.Message})
	}
	for _, j := range w.Jobs {
		switch j := j.(type) {
		case runs.Consider:
			c.step(i, runs.Considered{Run: j.Run, Accept: true})
		case runs.Fetch:
			c.step(i, runs.Fetched{Manifest: j.Manifest, Layout: j.Layout})
		case runs.Train:
			c.trains[i] = j
		case runs.Reduce:
			c.step(i, runs.Reduced{Seal: j.Seal, Model: block.Sum(block.DagCBOR, []byte(j.Seal.String()))})
		}
	}
}

// drain delivers what is on its way until all is.
func (c *crowd) drain() {
	for len(c.queue) > 0 {
		p := c.queue[0]
		c.queue = c.queue[1:]
		c.now += time.Millisecond
		for i := range c.machines {
			if i != p.from && (p.to < 0 || p.to == i) {
				c.steps++
				c.step(i, Received{c.machines[p.from].self, p.msg, 0})
			}
		}
	}
}

// round lets the crowd do one round: all end their training, and all commit.
func (c *crowd) round() {
	for i, j := range c.trains {
		update := block.Sum(block.DagCBOR, fmt.Append(nil, i, j.Round))
		c.step(i, runs.Trained{Run: j.Run, Round: j.Round, Opened: j.Opened, Attempt: j.Attempt, Manifest: update, Samples: 100, Metrics: nil})
	}
	before := c.trains[0].Round
	c.drain()
	for i, j := range c.trains {
		if j.Round != before+1 {
			c.t.Fatalf("site %d is in round %d after round %d: height %d, view %d", i+1, j.Round, before, c.machines[i].consensus.Number(), c.machines[i].View())
		}
	}
}

// BenchmarkRound reports what a delivered message costs, all else included.
func BenchmarkRound(b *testing.B) {
	for _, n := range []int{10, 50, 200} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := newCrowd(b, n)
			c.round() // the first has no measured deadline
			c.steps = 0
			rounds := 0
			for b.Loop() {
				c.round()
				rounds++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(c.steps), "ns/message")
			b.ReportMetric(float64(c.steps)/float64(rounds), "messages/round")
		})
	}
}
