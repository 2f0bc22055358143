package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/weft-mesh/weft/cmd/weft/term"
)

// MaxTurns is how often one measurement is repeated, at most.
const MaxTurns = 10_000

// Way is one of several ways to do the same.
type Way struct {
	Name string
	Does string // in a few words
	// Run does it once. It returns what counts of that, if some is preparation; nothing: all.
	Run func(ctx context.Context) (Cost, error)
}

// Cost is what something took.
type Cost struct {
	Wall time.Duration
	CPU  time.Duration // of this process, in user and system
}

// Comparison is several ways that were measured in turn.
type Comparison struct {
	What  string     `json:"what"`
	Bytes uint64     `json:"bytes"` // of one turn
	Turns int        `json:"turns"`
	Ways  []Measured `json:"ways"`
	Of    []string   `json:"of"` // the ways that all are compared with
	Link  string     `json:"link,omitempty"`
}

// Measured is what came of one way.
type Measured struct {
	Name string    `json:"name"`
	Does string    `json:"does"`
	Rate Quartiles `json:"bytes_per_s"`
	CPU  Quartiles `json:"cpu_s_per_gb"`
	// Of is the rate as a multiple of another way's in the same turn, CPUOf what it takes of processors likewise.
	Of    map[string]Quartiles `json:"of"`
	CPUOf map[string]Quartiles `json:"cpu_of"`
}

// Quartiles of all turns.
type Quartiles struct {
	Low    float64 `json:"q1"`
	Median float64 `json:"median"`
	High   float64 `json:"q3"`
}

// quartiles lie between neighbours where none is in the right place.
func quartiles(x []float64) Quartiles {
	x = slices.Sorted(slices.Values(x))
	at := func(quarter int) float64 {
		below, rest := quarter*(len(x)-1)/4, quarter*(len(x)-1)%4
		above := min(below+1, len(x)-1)
		return x[below] + (x[above]-x[below])*float64(rest)/4
	}
	return Quartiles{at(1), at(2), at(3)}
}

// Measure has all ways done in turn, each turn begun by another one, and tells progress after each turn. A first turn that counts
// for nothing opens connections and fills caches. What is measured of ways named of is what the others are compared with.
func Measure(ctx context.Context, what string, bytes uint64, ways []Way, of []string, turns int, progress func(done int)) (*Comparison, error) {
	if turns < 1 || turns > MaxTurns {
		return nil, fmt.Errorf("%d turns, want 1 to %d", turns, MaxTurns)
	}
	costs := make([][]Cost, len(ways))
	for turn := -1; turn < turns; turn++ {
		for k := range ways {
			k = (k + max(0, turn)) % len(ways)
			c, err := timed(ctx, ways[k])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", ways[k].Name, err)
			}
			if turn >= 0 {
				costs[k] = append(costs[k], c)
			}
		}
		if turn >= 0 {
			progress(turn + 1)
		}
	}
	return compare(what, bytes, ways, costs, of), nil
}

// timed does a way once.
func timed(ctx context.Context, w Way) (Cost, error) {
	if err := ctx.Err(); err != nil {
		return Cost{}, err
	}
	stop := clock()
	c, err := w.Run(ctx)
	if all := stop(); c.Wall == 0 {
		c = all
	}
	return c, err
}

// clock begins to measure what its function returns.
func clock() func() Cost {
	wall, cpu := time.Now(), processor()
	return func() Cost { return Cost{time.Since(wall), processor() - cpu} }
}

// processor returns how long this process has been on a processor.
func processor() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func compare(what string, bytes uint64, ways []Way, costs [][]Cost, of []string) *Comparison {
	c := &Comparison{What: what, Bytes: bytes, Turns: len(costs[0]), Of: of}
	each := func(n int, f func(turn int) float64) Quartiles {
		x := make([]float64, n)
		for turn := range x {
			x[turn] = f(turn)
		}
		return quartiles(x)
	}
	for k, w := range ways {
		m := Measured{Name: w.Name, Does: w.Does, Of: map[string]Quartiles{}, CPUOf: map[string]Quartiles{}}
		m.Rate = each(c.Turns, func(turn int) float64 { return float64(bytes) / costs[k][turn].Wall.Seconds() })
		m.CPU = each(c.Turns, func(turn int) float64 { return costs[k][turn].CPU.Seconds() / float64(bytes) * 1e9 })
		for j, other := range ways {
			if slices.Contains(of, other.Name) && j != k {
				m.Of[other.Name] = each(c.Turns, func(turn int) float64 { return costs[j][turn].Wall.Seconds() / costs[k][turn].Wall.Seconds() })
				m.CPUOf[other.Name] = each(c.Turns, func(turn int) float64 { return costs[k][turn].CPU.Seconds() / max(costs[j][turn].CPU.Seconds(), 1e-6) })
			}
		}
		c.Ways = append(c.Ways, m)
	}
	return c
}

// Text is the comparison for people.
func (c *Comparison) Text(out *term.Out) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, %s in turn; medians [quartiles]", c.What, term.Bytes(c.Bytes), term.Plural(c.Turns, "time"))
	if c.Link != "" {
		fmt.Fprintf(&b, "; over a link of %s", c.Link)
	}
	b.WriteString("\n\n")
	columns := []term.Column{{Name: "way"}, {Name: "MB/s", Right: true}, {Name: "CPU s/GB", Right: true}}
	for _, of := range c.Of {
		columns = append(columns, term.Column{Name: "of " + of, Right: true})
	}
	last := c.Of[len(c.Of)-1]
	columns = append(columns, term.Column{Name: "CPU of " + last, Right: true})
	t := term.NewTable(append(columns, term.Column{Name: "what it does", Shrink: true})...)
	for _, m := range c.Ways {
		cells := []string{m.Name, m.Rate.text("%.0f", 1e-6), m.CPU.text("%.2f", 1)}
		for _, of := range c.Of {
			cells = append(cells, part(m.Of, of))
		}
		t.Row(append(cells, part(m.CPUOf, last), m.Does)...)
	}
	b.WriteString(t.Text(out.Columns(), out.Dim))
	return b.String()
}

// part is a way's part of another, which is 1 of itself.
func part(of map[string]Quartiles, other string) string {
	if q, ok := of[other]; ok {
		return q.text("%.2f", 1)
	}
	return "1"
}

func (q Quartiles) text(format string, unit float64) string {
	return fmt.Sprintf(format+" ["+format+".."+format+"]", q.Median*unit, q.Low*unit, q.High*unit)
}
