package nodetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/weft-mesh/weft/block"
)

// turn is how long the weather stays as it is.
const turn = 500 * time.Millisecond

// churn is one run of a mesh through its weather.
type churn struct {
	weather
	t      *testing.T
	m      *Mesh
	run    block.CID
	chance *rand.Rand
	begin  time.Time
	faults []fault // that last
	dark   bool    // the blackout was

	took, settled                 time.Duration
	stops, kills, parts, cutsMade int
}

// fault is something that will be undone.
type fault struct {
	sites []*Site // that count as faulty
	until time.Time
	undo  func()
}

// turn lets some faults end and others begin.
func (c *churn) turn() {
	now := time.Now()
	c.faults = slices.DeleteFunc(c.faults, func(f fault) bool {
		if now.Before(f.until) {
			return false
		}
		f.undo()
		return true
	})
	if c.blackout && !c.dark && c.rounds() >= c.weather.rounds/2 {
		c.blackOut()
	}
	if spare := c.spare(); spare > 0 && c.chance.IntN(3) == 0 {
		c.strike(spare)
	}
	if c.ways() < c.cuts*len(c.m.Sites)*(len(c.m.Sites)-1)/200 {
		c.cutWay()
	}
}

// spare returns how many more sites may be faulty.
func (c *churn) spare() int {
	f := (len(c.m.Sites) - 1) / 3
	for _, x := range c.faults {
		f -= len(x.sites)
	}
	return f
}

// ways returns how many ways are cut.
func (c *churn) ways() (n int) {
	for _, x := range c.faults {
		if len(x.sites) == 0 {
			n++
		}
	}
	return n
}

// last makes something last until undo, for 1 s to 20 s.
func (c *churn) last(undo func(), sites ...*Site) {
	span := time.Second + time.Duration(c.chance.Int64N(int64(19*time.Second)))
	c.faults = append(c.faults, fault{sites, time.Now().Add(span), undo})
}

// healthy returns the sites that are not faulty, in random order.
func (c *churn) healthy() []*Site {
	ok := slices.DeleteFunc(slices.Clone(c.m.Sites), func(s *Site) bool {
		return slices.ContainsFunc(c.faults, func(f fault) bool { return slices.Contains(f.sites, s) })
	})
	c.chance.Shuffle(len(ok), func(i, j int) { ok[i], ok[j] = ok[j], ok[i] })
	return ok
}

// strike stops, kills or cuts off up to most sites.
func (c *churn) strike(most int) {
	sites := c.healthy()
	switch s := sites[0]; c.chance.IntN(3) {
	case 0:
		c.look(s)
		s.Stop()
		c.stops++
		c.last(s.Start, s)
	case 1:
		c.look(s)
		s.Kill()
		c.kills++
		c.last(s.Start, s)
	case 2:
		some := sites[:1+c.chance.IntN(most)]
		c.part(some, c.m.Net.Cut)
		c.parts++
		c.last(func() { c.part(some, c.m.Net.Mend) }, some...)
	}
}

// part does something to all ways between some sites and the others.
func (c *churn) part(some []*Site, do func(a, b int)) {
	for _, a := range some {
		for _, b := range c.m.Sites {
			if !slices.Contains(some, b) {
				do(a.index, b.index)
			}
		}
	}
}

// cutWay cuts the way between two sites, which are not faulty for that: the others carry what they say.
func (c *churn) cutWay() {
	n := len(c.m.Sites)
	a, b := c.chance.IntN(n), c.chance.IntN(n)
	if a == b {
		return
	}
	c.m.Net.Cut(a, b)
	c.cutsMade++
	c.last(func() { c.m.Net.Mend(a, b) })
}

// blackOut kills all sites at one moment; they come back one after the other.
func (c *churn) blackOut() {
	c.dark = true
	c.mendAll()
	for _, s := range c.m.Sites {
		c.m.Net.Unplug(s.index, true)
	}
	for _, s := range c.m.Sites {
		c.look(s)
		s.Kill()
		c.kills++
	}
	for _, s := range c.m.Sites {
		time.Sleep(time.Duration(c.chance.Int64N(int64(time.Second))))
		s.Start()
	}
}

// mendAll ends all faults.
func (c *churn) mendAll() {
	for _, f := range c.faults {
		f.undo()
	}
	c.faults = nil
}

func (c *churn) String() string {
	return fmt.Sprintf("%d sites, %d stops, %d kills, %d partitions, %d cuts; rounds done after %s, all the same %s later; %d packets",
		len(c.m.Sites), c.stops, c.kills, c.parts, c.cutsMade, c.took.Round(time.Second), c.settled.Round(100*time.Millisecond), c.m.Net.Packets())
}
