package node

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/round"
)

// Status says where the site stands.
func (n *Node) Status(ctx context.Context) (Status, error) {
	var s Status
	err := n.ask(ctx, func(m *round.Machine) {
		l := m.Ledger()
		r := l.Roster()
		s = Status{
			Site: n.ownName(), ID: n.home.ID, Mesh: l.Mesh(), MeshName: n.home.Genesis.Name, Faults: n.home.Genesis.Faults,
			Sites: r.Len(), Quorum: r.Quorum(), Height: l.Height(), Head: l.Head(), Runs: []RunStatus{}, Observes: !r.Has(n.home.ID),
		}
		for _, id := range m.Named() {
			s.Named = append(s.Named, n.siteName(id))
		}
		for _, r := range l.Runs() {
			s.Runs = append(s.Runs, n.runStatus(m, r))
		}
		s.Pending = n.jobs.waiting(l)
		changes := m.Changes()
		s.Asked = len(changes)
		for _, c := range changes[:min(len(changes), maxShownChanges)] {
			s.Changes = append(s.Changes, n.describeChange(r, c))
		}
		if p := n.problem(m); p.text != "" {
			s.Problem, s.Hint = p.text, p.hint
		}
	})
	if err != nil {
		return s, err
	}
	total := n.exchange.Stats().Total
	s.Sent, s.Received = total.Sent.Bytes, total.Received.Bytes
	s.Addrs, s.Up, s.Memory = n.Addrs(), n.view.Load().up(n.reach.list(), n.home.ID), peakMemory()
	s.Since, s.Uptime = n.start, time.Since(n.start)
	return s, nil
}

// maxShownChanges of the roster are in a status; weft roster list shows all.
const maxShownChanges = 8

// runStatus describes a run; it runs on the loop's goroutine.
func (n *Node) runStatus(m *round.Machine, r *round.Run) RunStatus {
	k := n.tracker.runs[r.ID]
	s := RunStatus{
		ID: r.ID, Name: r.Spec.Name, Round: r.Round, Rounds: r.Spec.Rounds, Phase: k.phase, Base: r.Base, Spec: r.Spec,
		MinSites: uint64(r.Spec.Needed(m.Ledger().Roster())), Updates: []string{}, Takes: []string{}, History: []RoundStatus{},
	}
	takes := m.Participants(r.ID)
	part := slices.Clone(takes)
	if !r.Active() { // nobody repeats the consents any more
		for i := range r.Commits {
			part = append(part, r.Commits[i].Sealed.Contributors()...)
		}
	}
	for _, site := range m.Ledger().Roster().ByName() {
		if slices.Contains(part, site.ID) {
			s.Takes = append(s.Takes, site.Name)
		}
		if k.held[site.ID] {
			s.Updates = append(s.Updates, site.Name)
		}
		switch {
		case m.Declines(r.ID, site.ID):
			s.Declined = append(s.Declined, site.Name)
		case r.Active() && !slices.Contains(takes, site.ID):
			s.Silent = append(s.Silent, site.Name)
		}
	}
	last, trains, open := n.jobs.standing(r.ID)
	s.Trains = trains
	if last != nil {
		s.Step, s.Steps, s.Metrics, s.Heard = last.Step, last.Steps, last.Metrics, last.at
	}
	switch {
	case r.Closed:
		s.Phase = PhaseStopped
	case !r.Active():
		s.Phase = PhaseDone
	case !slices.Contains(takes, n.home.ID) && !open:
		s.Phase = PhaseDeclined
	case trains > 0 && k.phase == PhaseWaiting:
		s.Phase = PhaseTraining
	}
	if r.Active() && r.Latest() == nil {
		s.Waits = n.waits(&s)
	}
	for i := range r.Commits {
		s.History = append(s.History, n.roundStatus(&r.Commits[i], k.past[r.Commits[i].Round]))
	}
	return s
}

// roundStatus describes a committed round.
func (n *Node) roundStatus(c *round.CommitAt, past measured) RoundStatus {
	s := RoundStatus{
		Round: c.Round, Height: c.Height, Seal: c.Seal, Model: c.Model, Metrics: map[string]map[string]float64{},
		SiteSamples: map[string]uint64{}, Weights: map[string]uint64{},
		Took: past.took, Phases: maps.Clone(past.phases), Held: n.holds(c.Model),
	}
	for i := range c.Sealed.Updates {
		signed := &c.Sealed.Updates[i].Update
		u, name := signed.Update(), n.siteName(signed.From)
		s.Sites = append(s.Sites, name)
		s.Samples += u.Samples
		s.SiteSamples[name], s.Weights[name], s.Metrics[name] = u.Samples, c.Sealed.Updates[i].Weight, u.Metrics
	}
	slices.Sort(s.Sites)
	return s
}

// holds reports whether an artifact is in the store, complete.
func (n *Node) holds(manifest block.CID) bool {
	a, err := n.store.Open(manifest)
	if err != nil {
		return false
	}
	return a.Close() == nil
}

// Peers describes the other sites.
func (n *Node) Peers() []Peer {
	stats := n.exchange.Stats()
	list := []Peer{}
	for _, i := range n.gossip.Peers() {
		p := Peer{Site: n.siteName(i.ID), ID: i.ID, Connected: i.Connected, Addrs: []string{}, Failure: i.Failure, RTT: i.RTT, Rejected: int(i.Rejected)}
		for _, a := range i.Addrs {
			p.Addrs = append(p.Addrs, a.String())
		}
		moved := stats.Peers[i.ID]
		p.Sent, p.Received = moved.Sent.Bytes, moved.Received.Bytes
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b Peer) int { return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.ID, b.ID)) })
	return list
}

// Entries returns decided entries from a height on, at most limit.
func (n *Node) Entries(ctx context.Context, from uint64, limit int) ([]LedgerEntry, error) {
	list := []LedgerEntry{}
	err := n.ask(ctx, func(m *round.Machine) {
		l := m.Ledger()
		for h := max(1, from); h <= l.Height() && len(list) < limit; h++ {
			d := l.At(h)
			e := LedgerEntry{
				Height: h, CID: d.Entry.CID(), Kind: d.Entry.Kind(), Summary: n.summary(l, d.Entry), View: d.Certificate.View,
				Signers: signers(l, h), Entry: d.Entry, Certificate: d.Certificate,
			}
			if r := l.Run(d.Entry.Run()); r != nil {
				e.Run = r.Spec.Name
			}
			list = append(list, e)
		}
	})
	return list, err
}

// summary says for people what an entry decides.
func (n *Node) summary(l *round.Ledger, e *round.Entry) string {
	names := func(ids []peer.ID) string {
		var list []string
		for _, id := range ids {
			list = append(list, n.siteName(id))
		}
		slices.Sort(list)
		return strings.Join(list, ", ")
	}
	r := l.Run(e.Run())
	switch {
	case e.Open != nil:
		return fmt.Sprintf("opens run %q: %d rounds, asked for by %s", r.Spec.Name, r.Spec.Rounds, n.siteName(r.Spec.By))
	case e.Close != nil:
		return fmt.Sprintf("ends run %q, as %s", r.Spec.Name, n.summaryStops(e.Close))
	case e.Seal != nil && e.Seal.Ground != nil:
		return fmt.Sprintf("seals round %d again: %s; without %s (%s)", e.Seal.Round, names(e.Seal.Contributors()), names(e.Seal.Ground.Dropped), e.Seal.Ground.Kind)
	case e.Seal != nil:
		return fmt.Sprintf("seals round %d: %s", e.Seal.Round, names(e.Seal.Contributors()))
	case e.Void != nil:
		return fmt.Sprintf("voids round %d: too few updates without %s (%s)", e.Void.Round, names(e.Void.Ground.Dropped), e.Void.Ground.Kind)
	case e.Roster != nil:
		return summaryChange(l, e)
	case e.Commit != nil:
		return fmt.Sprintf("commits round %d: model %s", e.Commit.Round, e.Commit.Model.Short())
	}
	return e.String()
}

// summaryStops says who wanted a run to end, and why.
func (n *Node) summaryStops(c *round.Close) string {
	var who []string
	for i := range c.Stops {
		text := n.siteName(c.Stops[i].From)
		if body, err := c.Stops[i].Open(); err == nil && body.(*round.Stop).Reason != "" {
			text += fmt.Sprintf(" asked (%q)", body.(*round.Stop).Reason) // another site wrote it
		} else {
			text += " asked"
		}
		who = append(who, text)
	}
	return strings.Join(who, ", ")
}

// summaryChange says what a change of the roster came to.
func summaryChange(l *round.Ledger, e *round.Entry) string {
	c, r := &e.Roster.Change, l.RosterAt(e.Height+1)
	what := "removes site "
	switch {
	case c.Remove != nil && c.Add != nil:
		what = "gives another key to site "
	case c.Add != nil:
		what = "adds site "
	}
	name := c.Remove
	if name == nil {
		name = c.Add
	}
	return fmt.Sprintf("%s%s: %d sites, a quorum is %d", what, name.Name, r.Len(), r.Quorum())
}

// peakMemory returns the largest resident set that the process has had, in bytes.
func peakMemory() uint64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return uint64(u.Maxrss)
	}
	return uint64(u.Maxrss) << 10 // Linux and the BSDs count in KiB
}
