package api

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
)

// What a ledger says, for people and scripts: of a running node's, and of one that is read from its directory.

// DescribeRun describes a run as far as the ledger knows it; its committed rounds, and the
// figures of its models, have been described.
func DescribeRun(l *ledger.Ledger, r *ledger.Run, history []RoundStatus, figures []ModelFigures) RunStatus {
	s := RunStatus{
		ID: r.ID, Name: r.Spec.Name, Round: min(r.Round, r.Spec.Rounds), Rounds: r.Spec.Rounds, Done: uint64(len(r.Commits)), Base: r.Base, Spec: r.Spec,
		MinSites: uint64(r.Spec.Needed(l.Roster())), Updates: []string{}, Takes: []string{}, History: history,
		Figures: figures, Early: r.Plateau > 0, Unmeasured: r.Measurable(), Best: DescribeBest(r), Cross: describeCross(l, r),
	}
	if earlier, round := l.Continued(r); earlier != nil {
		s.Continues = &Rewound{Run: earlier.ID, Round: round}
	}
	switch {
	case r.Closed > 0:
		s.Phase, s.Stop = PhaseStopped, summaryStops(l, ledger.As[ledger.Close](l.At(r.Closed).Entry))
	case !r.Active():
		s.Phase = PhaseDone
	}
	return s
}

// DescribeBest describes the best model of a run so far, nil if there is none.
func DescribeBest(r *ledger.Run) *BestModel {
	best := r.Best()
	if best == nil {
		return nil
	}
	return &BestModel{best.Round, best.Model, best.Since}
}

// Counted returns the sites whose updates have counted in committed rounds.
func Counted(history []RoundStatus) []string {
	sites := []string{}
	for i := range history {
		for _, site := range history[i].Sites {
			if !slices.Contains(sites, site) {
				sites = append(sites, site)
			}
		}
	}
	slices.Sort(sites)
	return sites
}

// DescribeHistory describes the committed rounds of a run.
func DescribeHistory(l *ledger.Ledger, r *ledger.Run) []RoundStatus {
	list := []RoundStatus{}
	for i := range r.Commits {
		list = append(list, DescribeRound(l, &r.Commits[i]))
	}
	return list
}

// DescribeRound describes a committed round.
func DescribeRound(l *ledger.Ledger, c *ledger.CommitAt) RoundStatus {
	s := RoundStatus{
		Round: c.Round, Height: c.Height, Seal: c.Seal, Model: c.Model,
		Metrics: map[string]map[string]float64{}, SiteSamples: map[string]uint64{}, Weights: map[string]uint64{}, Attempts: map[string]uint64{},
	}
	for i := range c.Sealed.Updates {
		signed := &c.Sealed.Updates[i].Update
		u, name := signed.Update(), l.Name(signed.From)
		s.Sites = append(s.Sites, name)
		s.Samples += u.Samples
		if u.Round < c.Round {
			if s.Late == nil {
				s.Late = map[string]uint64{}
			}
			s.Late[name] = c.Round - u.Round
		}
		s.SiteSamples[name], s.Weights[name], s.Attempts[name], s.Metrics[name] = u.Samples, c.Sealed.Updates[i].Weight, u.Attempt, u.Metrics
	}
	slices.Sort(s.Sites)
	s.weigh(l, c.Sealed)
	return s
}

// DescribeEntries describes the decided entries from a height on, at most limit.
func DescribeEntries(l *ledger.Ledger, from uint64, limit int) []LedgerEntry {
	list := []LedgerEntry{}
	for h := max(1, from); h <= l.Height() && len(list) < limit; h++ {
		d := l.At(h)
		e := LedgerEntry{
			Height: h, CID: d.Entry.CID(), Kind: d.Entry.Kind(), Summary: summary(l, d.Entry), View: d.Certificate.View,
			Signers: Signers(l, h), Entry: d.Entry, Certificate: d.Certificate,
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
	case *ledger.Closing:
		var ids []peer.ID
		for i := range b.Figures {
			ids = append(ids, b.Figures[i].From)
		}
		return fmt.Sprintf("says what the sites measured of the last model of run %q: %s", r.Spec.Name, names(ids))
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

// DescribeRoster describes the roster in force as far as the ledger knows it.
func DescribeRoster(l *ledger.Ledger) Roster {
	r := l.Roster()
	s := Roster{Version: r.Version(), From: r.From(), Quorum: r.Quorum(), Sites: []RosterSite{}, Former: []RosterSite{}, Changes: []RosterChange{}}
	for _, site := range r.ByName() {
		s.Sites = append(s.Sites, RosterSite{Name: site.Name, ID: site.ID})
	}
	for id, name := range l.Members() {
		if !r.Has(id) {
			s.Former = append(s.Former, RosterSite{Name: name, ID: id})
		}
	}
	slices.SortFunc(s.Former, func(a, b RosterSite) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return s
}

// Signers returns who signed the certificate of a height.
func Signers(l *ledger.Ledger, height uint64) []string {
	var names []string
	for _, v := range l.At(height).Certificate.Votes {
		names = append(names, l.Name(v.From))
	}
	slices.Sort(names)
	return names
}

// Marks says what is unusual of a site's update in the round: repeated, if more than one training stands behind it; late; capped,
// if it counts for less than its samples though it is in time; heavy, if it has more than half of the weight; long, if its change
// has more than ten times the median norm; skipped, if there is none as the site has said so; trouble with
// its classes, if there is none and the site has said that something went wrong there.
func (r *RoundStatus) Marks(site string) (marks []string) {
	if _, skipped := r.Skipped[site]; skipped && !slices.Contains(r.Sites, site) {
		return []string{"skipped"}
	}
	if trouble, told := r.Troubles[site]; told {
		return []string{"trouble:" + trouble.Names()}
	}
	if r.Attempts[site] > 1 {
		marks = append(marks, "repeated")
	}
	if r.Late[site] > 0 {
		marks = append(marks, "late")
	} else if r.Weights[site] < r.SiteSamples[site] && !r.equal() {
		marks = append(marks, "capped")
	}
	if r.heavy(site) {
		marks = append(marks, "heavy")
	}
	if r.long(site) {
		marks = append(marks, "long")
	}
	return marks
}

// equal reports whether every update counts as one sample, as with weights: equal.
func (r *RoundStatus) equal() bool {
	for _, w := range r.Weights {
		if w != 1 {
			return false
		}
	}
	return true
}
