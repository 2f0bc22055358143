package runs

import (
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// What a site that takes part in every run consents to without its operator: a member that asks for runs without end then takes no
// more of its machines than that. It is the site's own policy, and no rule of the mesh.
const (
	AllowedHourly = 4 // runs of one opener in an hour
	AllowedActive = 2 // runs of one opener at one time
)

// Allowance counts the runs that a site has taken part in of itself. A process begins with none.
type Allowance struct{ granted []grant }

type grant struct {
	run    block.CID
	opener peer.ID
	at     time.Duration
	over   bool // the run was open, and is not any more
}

func (g *grant) end() { g.over = true }

// Over notes runs that are over: they count for the hour alone.
func (a *Allowance) Over(list []block.CID) {
	for i := range a.granted {
		if slices.Contains(list, a.granted[i].run) {
			a.granted[i].end()
		}
	}
}

// Ahead adds to an opener's open runs, in which a site takes part, those that it asks for and that come before one: to which the
// site has consented, and which were asked for earlier, if the site has not declined them, also where nothing is known of them yet.
func Ahead(asked []AskedRun, run block.CID, opener, self peer.ID, open func(block.CID) bool, list []block.CID) []block.CID {
	answer := map[block.CID]bool{}
	var before []block.CID
	for i := range asked {
		a := &asked[i]
		own := a.Consents[self]
		if own != nil {
			answer[a.Run] = own.Accept
		}
		switch {
		case a.Run == run:
			before = a.Before
		case a.Spec.By == opener && own != nil && own.Accept:
			list = append(list, a.Run)
		}
	}
	for _, id := range before {
		if _, answered := answer[id]; !answered && !open(id) {
			list = append(list, id)
		}
	}
	return list
}

// Take reports why the site does not consent to a run of an opener now; nothing if it may, which then counts. taken are the
// opener's runs that come before it: those in which the site takes part, and what the opener has asked for earlier, or two sites would
// take two different ones, and neither would open. live tells of one whether that may still be open or be opened.
func (a *Allowance) Take(now time.Duration, run block.CID, opener peer.ID, taken []block.CID, live func(block.CID) bool) (why string) {
	fresh := func(g grant) bool { return !g.over && (now < g.at+time.Minute || live(g.run)) } // what was granted may not be seen yet
	a.granted = slices.DeleteFunc(a.granted, func(g grant) bool { return now >= g.at+time.Hour && !live(g.run) })
	active, hourly := slices.Clone(taken), 0
	for _, g := range a.granted {
		if g.opener != opener || g.run == run {
			continue
		}
		if now < g.at+time.Hour {
			hourly++
		}
		if fresh(g) && !slices.Contains(active, g.run) {
			active = append(active, g.run)
		}
	}
	switch {
	case len(active) >= AllowedActive:
		return fmt.Sprintf("this site takes part in %d runs of that site already, as many as it does by itself", len(active))
	case hourly >= AllowedHourly:
		return fmt.Sprintf("this site has consented to %d runs of that site in an hour, as many as it does by itself", hourly)
	}
	a.granted = append(a.granted, grant{run: run, opener: opener, at: now})
	return ""
}
