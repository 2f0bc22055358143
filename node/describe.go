package node

import (
	"fmt"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
)

// What a ledger says, for people and scripts: of a running node's, and of one that is read from its directory.

// describeRun describes a run as far as the ledger knows it.
func describeRun(l *ledger.Ledger, r *ledger.Run) RunStatus {
	s := RunStatus{
		ID: r.ID, Name: r.Spec.Name, Round: min(r.Round, r.Spec.Rounds), Rounds: r.Spec.Rounds, Done: uint64(len(r.Commits)), Base: r.Base, Spec: r.Spec,
		MinSites: uint64(r.Spec.Needed(l.Roster())), Updates: []string{}, Takes: []string{}, History: []RoundStatus{},
	}
	switch {
	case r.Closed > 0:
		s.Phase, s.Stop = PhaseStopped, summaryStops(l, ledger.As[ledger.Close](l.At(r.Closed).Entry))
	case !r.Active():
		s.Phase = PhaseDone
	}
	for i := range r.Commits {
		s.History = append(s.History, describeRound(l, &r.Commits[i]))
		for _, site := range s.History[i].Sites {
			if !slices.Contains(s.Takes, site) {
				s.Takes = append(s.Takes, site)
			}
		}
	}
	slices.Sort(s.Takes)
	return s
}

// describeRound describes a committed round.
func describeRound(l *ledger.Ledger, c *ledger.CommitAt) RoundStatus {
	s := RoundStatus{
		Round: c.Round, Height: c.Height, Seal: c.Seal, Model: c.Model,
		Metrics: map[string]map[string]float64{}, SiteSamples: map[string]uint64{}, Weights: map[string]uint64{}, Attempts: map[string]uint64{},
	}
	for i := range c.Sealed.Updates {
		signed := &c.Sealed.Updates[i].Update
		u, name := signed.Update(), l.Name(signed.From)
		s.Sites = append(s.Sites, name)
		s.Samples += u.Samples
		s.SiteSamples[name], s.Weights[name], s.Attempts[name], s.Metrics[name] = u.Samples, c.Sealed.Updates[i].Weight, u.Attempt, u.Metrics
	}
	slices.Sort(s.Sites)
	return s
}

// describeEntries describes the decided entries from a height on, at most limit.
func describeEntries(l *ledger.Ledger, from uint64, limit int) []LedgerEntry {
	list := []LedgerEntry{}
	for h := max(1, from); h <= l.Height() && len(list) < limit; h++ {
		d := l.At(h)
		e := LedgerEntry{
			Height: h, CID: d.Entry.CID(), Kind: d.Entry.Kind(), Summary: summary(l, d.Entry), View: d.Certificate.View,
			Signers: signers(l, h), Entry: d.Entry, Certificate: d.Certificate,
		}
		if r := l.Run(d.Entry.Run()); r != nil {
			e.Run = r.Spec.Name
		}
		list = append(list, e)
	}
	return list
}

// summary says for people what an entry decides.
func summary(l *ledger.Ledger, e *ledger.Entry) string {
	names := func(ids []peer.ID) string {
		var list []string
		for _, id := range ids {
			list = append(list, l.Name(id))
		}
		slices.Sort(list)
		return strings.Join(list, ", ")
	}
	r := l.Run(e.Run())
	switch b := e.Body.(type) {
	case *ledger.Open:
		return fmt.Sprintf("opens run %q: %d rounds, asked for by %s", r.Spec.Name, r.Spec.Rounds, l.Name(r.Spec.By))
	case *ledger.Close:
		return fmt.Sprintf("ends run %q, as %s", r.Spec.Name, summaryStops(l, b))
	case *ledger.Seal:
		if b.Ground != nil {
			return fmt.Sprintf("seals round %d again: %s; without %s (%s)", b.Round, names(b.Contributors()), names(b.Ground.Dropped), b.Ground.Kind)
		}
		return fmt.Sprintf("seals round %d: %s", b.Round, names(b.Contributors()))
	case *ledger.Void:
		return fmt.Sprintf("voids round %d: too few updates without %s (%s)", b.Round, names(b.Ground.Dropped), b.Ground.Kind)
	case *ledger.Changed:
		return summaryChange(l, e.Height, b)
	case *ledger.Commit:
		return fmt.Sprintf("commits round %d: model %s", b.Round, b.Model.Short())
	}
	return e.String()
}

// summaryStops says who wanted a run to end, and why.
func summaryStops(l *ledger.Ledger, c *ledger.Close) string {
	var who []string
	for i := range c.Stops {
		text := l.Name(c.Stops[i].From)
		if body, err := c.Stops[i].Open(); err == nil && body.(*ledger.Stop).Reason != "" {
			text += fmt.Sprintf(" asked (%q)", body.(*ledger.Stop).Reason) // another site wrote it
		} else {
			text += " asked"
		}
		who = append(who, text)
	}
	return strings.Join(who, ", ")
}

// summaryChange says what a change of the roster came to.
func summaryChange(l *ledger.Ledger, height uint64, decided *ledger.Changed) string {
	c, r := &decided.Change, l.RosterAt(height+1)
	var does []string
	switch {
	case c.Remove != nil && c.Add != nil:
		does = append(does, "gives another key to site "+c.Add.Name)
	case c.Add != nil:
		does = append(does, "adds site "+c.Add.Name)
	case c.Remove != nil:
		does = append(does, "removes site "+c.Remove.Name)
	}
	if c.Protocol > 0 {
		does = append(does, fmt.Sprintf("raises the protocol to %d, for weft >= %s", c.Protocol, c.Weft))
	}
	return fmt.Sprintf("%s: %d sites, a quorum is %d", strings.Join(does, ", "), r.Len(), r.Quorum())
}
