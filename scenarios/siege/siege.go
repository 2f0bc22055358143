package siege

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Measure is how an attack is measured.
type Measure struct {
	Time    time.Duration // of a phase, under attack or calm
	Repeats int           // of both, in turn; 0: one attack alone
}

// Outcome is what an attack has come to.
type Outcome struct {
	Attack         string
	Attacked, Calm []float64     // rounds a second
	Processor      time.Duration // that the besieger took in a phase
	Sent, Received int64         // bytes of messages, under attack
	Lasted         time.Duration // all attacks together
	Banned         int           // honest sites that banned the besieger
	After          time.Duration // until all had
	Wrong          []string      // bans among the honest
	Before, Peak   uint64        // bytes that an honest site takes
}

// Lay attacks a camp and measures.
func (c *Camp) Lay(ctx context.Context, a Attack, m Measure) (*Outcome, error) {
	o := &Outcome{Attack: a.Name, Before: c.memory(ctx)}
	for range max(1, m.Repeats) {
		before := processor()
		rate, err := c.phase(ctx, m.Time, o, func(ctx context.Context, height uint64) { c.fire(ctx, a, height) })
		if err != nil {
			return nil, err
		}
		o.Processor = processor() - before
		o.Attacked = append(o.Attacked, rate)
		if m.Repeats == 0 {
			break
		}
		share := float64(o.Processor) / float64(m.Time)
		rate, err = c.phase(ctx, m.Time, nil, func(ctx context.Context, _ uint64) { burn(ctx, share) })
		if err != nil {
			return nil, err
		}
		o.Calm = append(o.Calm, rate)
	}
	o.Peak = c.memory(ctx)
	o.Banned, o.Wrong = c.bans()
	return o, nil
}

// phase lets something go on for a time and returns how many rounds a second were done meanwhile.
func (c *Camp) phase(ctx context.Context, d time.Duration, o *Outcome, do func(ctx context.Context, height uint64)) (float64, error) {
	c.besieger.Connect(ctx)
	first, height, err := c.standing(ctx)
	if err != nil {
		return 0, err
	}
	sent, received := c.besieger.sent.Load(), c.besieger.received.Load()
	inner, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(inner, height)
	}()
	start := time.Now()
	for inner.Err() == nil {
		select {
		case <-inner.Done():
		case <-time.After(200 * time.Millisecond):
		}
		if n, _ := c.bans(); o != nil && n == Honest && o.After == 0 {
			o.After = time.Since(start)
		}
	}
	<-done
	took := time.Since(start)
	last, _, err := c.standing(ctx)
	if o != nil {
		o.Sent += c.besieger.sent.Load() - sent
		o.Received += c.besieger.received.Load() - received
		o.Lasted += took
	}
	return float64(last-first) / took.Seconds(), err
}

// fire attacks until ctx ends, and connects again when it is cut off.
func (c *Camp) fire(ctx context.Context, a Attack, height uint64) {
	connect := time.Now()
	for n := uint64(0); ctx.Err() == nil; n++ {
		if time.Since(connect) > time.Second {
			c.besieger.Connect(ctx)
			connect = time.Now()
		}
		a.Shot(ctx, c.besieger, n, height)
		rest := a.Rest
		if len(c.besieger.host.Network().Conns()) == 0 {
			rest = 100 * time.Millisecond // it is banned, and knocks
		}
		if rest > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(rest):
			}
		}
	}
}

// burn takes as large a share of the processors as the besieger did.
func burn(ctx context.Context, share float64) {
	const slice = 20 * time.Millisecond
	workers := max(1, min(runtime.NumCPU(), int(share+0.999)))
	each := share / float64(workers)
	done := make(chan struct{})
	for range workers {
		go func() {
			defer func() { done <- struct{}{} }()
			for ctx.Err() == nil {
				for start := time.Now(); time.Since(start) < time.Duration(each*float64(slice)); {
				}
				time.Sleep(time.Duration((1 - min(each, 1)) * float64(slice)))
			}
		}()
	}
	for range workers {
		<-done
	}
}

// Ratio returns the median of the rounds a second under attack, over that of the calm.
func (o *Outcome) Ratio() float64 {
	if len(o.Calm) == 0 || median(o.Calm) == 0 {
		return 0
	}
	return median(o.Attacked) / median(o.Calm)
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

// Answered returns how many bytes an honest site may have sent the besieger in answers at most: twice what it was sent, and a
// megabyte a second; the ledger is beside that.
func (o *Outcome) Answered(ledger int64) int64 {
	return 2*o.Sent + Honest*(int64(o.Lasted.Seconds()+2)<<20+ledger)
}

// Table shows outcomes.
func Table(list []*Outcome) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-18s %9s %9s %6s %9s %10s %10s %7s %8s %9s\n", "attack", "rounds/s", "calm", "ratio", "CPU", "sent", "received", "banned", "after", "memory")
	for _, o := range list {
		calm, ratio, after := "-", "-", "-"
		if len(o.Calm) > 0 {
			calm, ratio = fmt.Sprintf("%.2f", median(o.Calm)), fmt.Sprintf("%.2f", o.Ratio())
		}
		if o.After > 0 {
			after = fmt.Sprintf("%.1fs", o.After.Seconds())
		}
		fmt.Fprintf(&b, "%-18s %9.2f %9s %6s %8.1fs %8.1fMB %8.1fMB %5d/%d %8s %6d MB\n", o.Attack, median(o.Attacked), calm, ratio,
			o.Processor.Seconds(), float64(o.Sent)/1e6, float64(o.Received)/1e6, o.Banned, Honest, after, o.Peak>>20)
	}
	return b.String()
}
