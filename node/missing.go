package node

import (
	"fmt"
	"slices"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/jobs"
	"github.com/weft-mesh/weft/round"
)

// missingAlarm is from how many seals in a row a site that takes part must be missing to be a problem.
const missingAlarm = 2

// describeMissing says which sites that take part, or have not answered, are missing from the newest committed seals of a run.
func describeMissing(m *round.Machine, r *ledger.Run, st *api.RunStatus) {
	named := m.Named()
	for _, site := range m.Ledger().Roster().ByName() {
		if slices.Contains(st.Declined, site.Name) {
			continue
		}
		seals := 0
		for i := len(r.Commits) - 1; i >= 0; i-- {
			c := &r.Commits[i]
			if slices.Contains(c.Sealed.Contributors(), site.ID) || m.Ledger().JoinedAfter(site.ID, c.Sealed.Opened) {
				break
			}
			seals++
		}
		if seals < missingAlarm {
			continue
		}
		missing := api.MissingSite{Site: site.Name, Seals: seals, Since: r.Commits[len(r.Commits)-seals].Round}
		if slices.Contains(named, site.ID) {
			missing.Why = "it has signed two statements for one place, and its updates do not count"
		}
		st.Missing = append(st.Missing, missing)
	}
}

// addWhy says why sites are missing, as far as it can be known here.
func (s *reporter) addWhy(st *api.RunStatus) {
	st.Missing = slices.Clone(st.Missing)
	v := s.views.now()
	for i := range st.Missing {
		missing := &st.Missing[i]
		site, known := v.roster.Find(missing.Site)
		switch {
		case missing.Why != "" || !known:
		case site.ID == s.home.ID:
			missing.Why = "this site's own updates come too late, or fail: its status says more about its training"
		case !s.reach.has(site.ID):
			if since, ok := s.reach.left(site.ID); ok {
				missing.Why = "away since " + since.Format(time.DateTime)
			} else {
				missing.Why = "away since this node started, " + s.start.Format(time.DateTime)
			}
		case skips(st, missing.Site):
			missing.Why = "it skips the round: " + st.Skipped[missing.Site]
		case len(st.Troubles[missing.Site].Classes) > 0:
			missing.Why = "as it says, " + st.Troubles[missing.Site].String()
		case slices.Contains(st.Silent, missing.Site):
			missing.Why = "it is connected, and has not said whether it takes part"
		default:
			missing.Why = "it is connected, and its updates come too late or not at all: its operator sees why in weft status"
		}
	}
}

// missing is the problem that a site is missing from the newest seals of a run that goes on.
func (s *reporter) missing(runs []api.RunStatus) jobs.Problem {
	for i := range runs {
		for _, m := range runs[i].Missing {
			return stuck(fmt.Sprintf("run %s goes on without %s: it is in none of the last %d seals, since round %d: %s", runs[i].Name, m.Site, m.Seals, m.Since, m.Why),
				"ask its operator; while it is away, each round that it could add to counts only the others")
		}
	}
	return jobs.Problem{}
}
