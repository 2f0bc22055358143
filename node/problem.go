package node

import (
	"fmt"
	"strings"

	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/round"
)

// problem is what keeps a site from going on, and what to do about it. The text may have words of others, the hint has none.
type problem struct{ text, hint string }

// problem says what keeps the site from going on, if anything; the gravest first.
func (n *Node) problem(m *round.Machine) problem {
	v := n.view.Load()
	up, q, all := v.up(n.reach.list(), n.home.ID), v.roster.Quorum(), v.roster.Len()
	const look = "are the others up, and do the addresses under bootstrap lead to one of them?"
	switch {
	case n.tracker.trouble != "":
		return problem{n.tracker.trouble, "the trace (" + site.TraceFile + ") has the details"}
	case v.observes:
		return n.outside(m, up)
	case up == 1 && q > 1:
		return problem{"no other site can be reached" + n.unreachable(), look + " If so: is this site still in their roster (weft roster list, there)?"}
	case up < q:
		return problem{fmt.Sprintf("%d of %d sites are up, a quorum is %d%s", up, all, q, n.unreachable()), look}
	case n.tracker.mute:
		return problem{"this site's log was lost: it does not vote until it has seen the others decide two entries", "nothing to do"}
	}
	return n.jobs.problem()
}

// outside says what a site that is not in the roster waits for.
func (n *Node) outside(m *round.Machine, up int) problem {
	r, own := m.Ledger().Roster(), n.home.Config.Name
	if name, was := n.view.Load().names[n.home.ID]; was {
		if _, goesOn := r.Find(name); goesOn {
			return problem{fmt.Sprintf("the mesh has given site %q another key, and this one no longer takes part", name),
				fmt.Sprintf("start the node in the directory with the new key (weft up --dir), or have the other sites give it one: weft roster replace %s=PEERID", name)}
		}
		return problem{"this site was removed from the mesh's roster and no longer takes part",
			"to come back it needs a new key, so a new directory (weft init --dir), and weft roster add at the other sites"}
	}
	for _, c := range m.Changes() {
		if c.Change.Add != nil && c.Change.Add.ID == n.home.ID {
			return problem{fmt.Sprintf("this site is to join the mesh as %q: %d of %d approvals", c.Change.Add.Name, len(c.Approvals), r.Quorum()),
				"the operators of other sites approve with weft roster approve"}
		}
	}
	p, ask := problem{text: "this site is not in the mesh's roster"}, "add"
	if _, taken := r.Find(own); taken {
		ask = "replace" // its name is there, with another key
	}
	p.hint = fmt.Sprintf("have the operators of %d sites run: weft roster %s %s=%s", r.Quorum(), ask, own, n.home.ID)
	if up == 0 {
		p.text += ", and no site lets it in yet" + n.unreachable()
		p.hint += "; or, if they have, start this node with the address of a site that has approved (weft up --bootstrap)"
	}
	return p
}

// unreachable says why the sites whose addresses the operator has given cannot be reached, or nothing.
func (n *Node) unreachable() string {
	var why strings.Builder
	for _, i := range n.gossip.Peers() {
		if n.named[i.ID] && i.Failure != "" {
			fmt.Fprintf(&why, "; %s: %s", n.siteName(i.ID), i.Failure)
		}
	}
	return why.String()
}
