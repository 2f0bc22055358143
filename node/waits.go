package node

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/node/api"
)

// waits says what the updates of a round are waiting for, beyond trainings that go on; nothing where that cannot be told:
// a site that does not take part does not fetch the others' updates.
func (s *reporter) waits(st *api.RunStatus) string {
	v := s.views.now()
	up, q, sites := v.up(s.reach.list(), s.home.ID), v.roster.Quorum(), v.roster.Len()
	switch {
	case up < q:
		return fmt.Sprintf("a quorum: %d of %d sites are up, %d are needed", up, sites, q)
	case uint64(sites) < st.MinSites:
		return fmt.Sprintf("more sites: it needs the updates of %d, and the roster has %d; end the run, or add sites", st.MinSites, sites)
	case uint64(len(st.Takes)) < st.MinSites:
		return fmt.Sprintf("sites that take part: %d of the %d needed%s", len(st.Takes), st.MinSites, others(st))
	case !slices.Contains(st.Takes, s.views.now().ownName(s.home)), uint64(counting(st)) >= st.MinSites, st.Phase == api.PhaseTraining && !slices.Contains(st.Updates, s.views.now().ownName(s.home)):
		return ""
	}
	var missing []string
	for _, site := range v.roster.ByName() {
		switch name := site.Name; {
		case !slices.Contains(st.Takes, name) || slices.Contains(st.Updates, name) || skips(st, name) || st.Useless[name] != "":
		case site.ID != s.home.ID && !s.reach.has(site.ID):
			missing = append(missing, name+" (away)")
		case len(st.Troubles[name].Classes) > 0:
			missing = append(missing, name+" ("+st.Troubles[name].String()+")")
		default:
			missing = append(missing, name)
		}
	}
	text := fmt.Sprintf("updates: %d of the %d needed are here", counting(st), st.MinSites)
	if why := s.uselessText(st); why != "" {
		text = fmt.Sprintf("updates that count: %d of the %d needed are here; %s", counting(st), st.MinSites, why)
	}
	if len(missing) > 0 {
		text += "; none yet from " + strings.Join(missing, ", ")
	}
	if len(st.Skipped) > 0 {
		text += "; skipped by " + strings.Join(slices.Sorted(maps.Keys(st.Skipped)), ", ") + ", asked again now and then"
	}
	return text
}

// awaits says what comes next in a round that goes on, and of whom.
func (s *reporter) awaits(st *api.RunStatus, sealed bool) string {
	if sealed {
		return "the model: a quorum of the sites that take part computes it and agrees"
	}
	var coming, away []string
	for _, site := range s.views.now().roster.ByName() {
		switch name := site.Name; {
		case slices.Contains(st.Declined, name) || slices.Contains(st.Updates, name) || skips(st, name) || st.Useless[name] != "":
		case site.ID == s.home.ID:
			coming = append(coming, "this site")
		case s.reach.has(site.ID) && len(st.Troubles[name].Classes) > 0:
			coming = append(coming, name+" ("+st.Troubles[name].String()+")")
		case s.reach.has(site.ID):
			coming = append(coming, name)
		default:
			away = append(away, name)
		}
	}
	text := "a seal: enough updates are here"
	if len(coming) > 0 {
		text = "updates of " + strings.Join(coming, ", ")
	}
	if why := s.uselessText(st); why != "" {
		text += "; " + why
	}
	if len(away) > 0 {
		text += "; away, and not waited for once all others have delivered: " + strings.Join(away, ", ")
	}
	return text
}

// counting returns how many of the updates that are here count.
func counting(st *api.RunStatus) (n int) {
	for _, site := range st.Updates {
		if st.Useless[site] == "" {
			n++
		}
	}
	return n
}

// uselessText says which updates are here and do not count, why, and what can be done about it.
func (s *reporter) uselessText(st *api.RunStatus) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(st.Useless)) {
		advice := "its operator sees more in weft status there; weft run stop ends the run"
		if slices.Contains(s.snapshots.now().status.Named, name) {
			advice = fmt.Sprintf("weft ledger faults has the proof; a new key for it, weft roster replace %s, or weft run stop, ends the wait", hint.Shell(name+"=PEERID"))
		}
		parts = append(parts, fmt.Sprintf("that of %s does not count: %s (%s)", name, st.Useless[name], advice))
	}
	return strings.Join(parts, "; ")
}

// others says of the sites that do not take part why.
func others(s *api.RunStatus) (text string) {
	if len(s.Silent) > 0 {
		text += "; no answer yet from " + strings.Join(s.Silent, ", ")
	}
	if len(s.Declined) > 0 {
		text += "; declined by " + strings.Join(s.Declined, ", ")
	}
	return text
}
