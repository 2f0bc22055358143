package node

import (
	"fmt"
	"strings"

	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/node/jobs"
	"github.com/weft-mesh/weft/node/site"
)

// problem says what keeps the site from going on, if anything; the gravest first.
func (s *reporter) problem(shot *snapshot) jobs.Problem {
	v := s.views.now()
	up, q, all := v.up(s.reach.list(), s.home.ID), v.roster.Quorum(), v.roster.Len()
	const look = "are the others up, and do the addresses under bootstrap lead to one of them?"
	switch {
	case shot.trouble != "":
		return stuck(shot.trouble, "the trace ("+site.TraceFile+") has the details")
	case shot.twin:
		return stuck("this site's key has signed votes that its log does not have: another machine uses the key, or the directory was put back to an earlier state and only a site that was away until now knew; it does not vote until it has seen the others decide two entries",
			"if it is another machine, end one of the two; if the key was stolen, give the site another (weft roster replace)")
	case v.observes:
		return s.outside(shot, up)
	case up == 1 && q > 1:
		return stuck("no other site can be reached"+s.unreachable(), look+" If so: is this site still in their roster (weft roster list, there)?")
	case up < q:
		return stuck(fmt.Sprintf("%d of %d sites are up, a quorum is %d%s", up, all, q, s.unreachable()), look)
	}
	mute := s.programs.mute(v.roster)
	if shot.mute {
		mute++
	}
	switch {
	case all-mute < q:
		return stuck(fmt.Sprintf("%d of %d sites do not vote, as their logs were lost or put back to an earlier state, and %d are needed: they wait for each other for ever", mute, all, q),
			"if the newest directory of one of these sites is left somewhere, put it back; else found a new mesh whose run goes on from the last model (docs/operations.md)")
	case shot.mute:
		return stuck("this site's log was lost, or put back to an earlier state: it does not vote until it has seen the others decide two entries", "nothing to do: its updates count")
	}
	if p := s.jobs.Problem(); p.Text != "" {
		return p
	}
	return s.twins()
}

// twins says which other sites' keys are used on two machines, by all appearances.
func (s *reporter) twins() (p jobs.Problem) {
	for _, i := range s.gossip.Peers() {
		if i.Twin {
			p = stuck(fmt.Sprintf("two machines use the key of %s: its addresses change back and forth", s.views.now().name(i.ID)), "tell its operator: one of the two nodes has to end")
		}
	}
	return p
}

// outside says what a site that is not in the roster waits for.
func (s *reporter) outside(shot *snapshot, up int) jobs.Problem {
	r, own := s.views.now().roster, s.home.Config.Name
	if name, was := s.views.now().names[s.home.ID]; was {
		if _, goesOn := r.Find(name); goesOn {
			return stuck(fmt.Sprintf("the mesh has given site %q another key, and this one no longer takes part", name),
				fmt.Sprintf("start the node in the directory with the new key (weft up --dir), or have the other sites give it one: weft roster replace %s", hint.Shell(name+"=PEERID")))
		}
		return stuck("this site was removed from the mesh's roster and no longer takes part",
			"to come back it needs a new key, so a new directory (weft init --dir), and weft roster add at the other sites")
	}
	for _, c := range shot.changes {
		if c.Change.Add != nil && c.Change.Add.ID == s.home.ID {
			return stuck(fmt.Sprintf("this site is to join the mesh as %q: %d of %d approvals", c.Change.Add.Name, len(c.Approvals), r.Quorum()),
				"the operators of other sites approve with weft roster approve")
		}
	}
	p, ask := jobs.Problem{Text: "this site is not in the mesh's roster"}, "add"
	if _, taken := r.Find(own); taken {
		ask = "replace" // its name is there, with another key
	}
	p.Hint = fmt.Sprintf("have the operators of %d sites run: weft roster %s %s", r.Quorum(), ask, hint.Shell(own+"="+s.home.ID.String()))
	if up == 0 {
		p.Text += ", and no site lets it in yet" + s.unreachable()
		p.Hint += "; or, if they have, start this node with the address of a site that has approved (weft up --bootstrap)"
	}
	return p
}

// unreachable says why the sites whose addresses the operator has given cannot be reached, or nothing.
func (s *reporter) unreachable() string {
	var why strings.Builder
	for _, i := range s.gossip.Peers() {
		if s.named[i.ID] && i.Failure != "" {
			fmt.Fprintf(&why, "; %s: %s", s.views.now().name(i.ID), i.Failure)
		}
	}
	return why.String()
}

func stuck(text, hint string) jobs.Problem { return jobs.Problem{Text: text, Hint: hint} }
