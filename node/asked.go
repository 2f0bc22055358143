package node

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/index"
	"github.com/weft-mesh/weft/round/runs"
)

// notOpen describes the runs that are asked for and not open.
func (s *reporter) notOpen(v *view) (list []api.AskedRun) {
	for i := range v.asked {
		a := &v.asked[i]
		shown := api.AskedRun{
			Run: a.Run, Spec: a.Spec, Opener: v.name(a.Spec.By), Own: a.Spec.By == v.self, Consents: []string{}, Needed: a.Takers, Bytes: s.jobs.Appraisal(a.Run).Bytes,
		}
		for _, site := range v.roster.ByName() {
			switch c := a.Consents[site.ID]; {
			case c == nil:
				shown.Silent = append(shown.Silent, site.Name)
			case c.Accept:
				shown.Consents = append(shown.Consents, site.Name)
			default:
				if shown.Declined == nil {
					shown.Declined = map[string]string{}
				}
				shown.Declined[site.Name] = c.Reason
			}
		}
		shown.Waits = awaited(v, a, &shown, func(id peer.ID) bool { return id == v.self || s.reach.has(id) })
		list = append(list, shown)
	}
	return list
}

// awaited says what a run that is asked for waits for, or why it cannot open.
func awaited(v *view, a *runs.AskedRun, shown *api.AskedRun, up func(peer.ID) bool) string {
	sites, open := v.roster.Len(), 0
	for _, is := range v.active {
		if is {
			open++
		}
	}
	switch {
	case uint64(sites) < a.Spec.MinSites:
		return fmt.Sprintf("more sites: it needs the updates of %d, and the roster has %d", a.Spec.MinSites, sites)
	case a.Takers == 0:
		return fmt.Sprintf("a quorum that holds its model: %d of %d sites", v.roster.Quorum(), sites)
	case open >= ledger.MaxRuns:
		return fmt.Sprintf("a run to end: %d are open, as many as a mesh has", open)
	}
	text := fmt.Sprintf("consents: %d of the %d needed", len(shown.Consents), a.Takers)
	if len(shown.Consents) >= a.Takers {
		return "a quorum to agree"
	}
	if sites-len(shown.Declined) < a.Takers {
		text = fmt.Sprintf("nothing that will come: %d sites must take part, and %d of %d decline", a.Takers, len(shown.Declined), sites)
	}
	var silent []string
	for _, name := range shown.Silent {
		if site, ok := v.roster.Find(name); ok && !up(site.ID) {
			name += " (away)"
		}
		silent = append(silent, name)
	}
	if len(silent) > 0 {
		text += "; no answer yet from " + strings.Join(silent, ", ")
	}
	for _, name := range slices.Sorted(maps.Keys(shown.Declined)) {
		text += "; declined by " + name
		if why := shown.Declined[name]; why != "" {
			text += ": " + why
		}
	}
	return text
}

// checkAsked refuses an answer on a run that is asked for which this site cannot give yet.
func (o *operator) checkAsked(a *runs.AskedRun, accept bool) error {
	if !accept || a.Spec.By == o.home.ID {
		return nil
	}
	switch k := o.jobs.Appraisal(a.Run); {
	case k.Refuse != "":
		return api.Refuse(http.StatusConflict, "a site's max_model is in its config.yaml", "this site cannot take part in the run: %s", k.Refuse)
	case k.Bytes == 0:
		return api.Refuse(http.StatusConflict, "try again once the site that asks for it can be reached (weft peers)", "the manifest of the run's model is not here yet, which says how large it is")
	}
	return nil
}

// dropAsked removes what runs were to begin with that this site asks for no longer.
func (l *loop) dropAsked(old, now *view) {
	for i := range old.asked {
		spec, run := old.asked[i].Spec, old.asked[i].Run
		if spec.By != l.self || now.askedFor(run) != nil || now.runs[run] != nil {
			continue
		}
		use := index.Use{Run: run, As: index.AsModel}
		l.jobs.Drop(spec.Base, use)
		if tensors := spec.Constants.Tensors(); tensors.Defined() {
			l.jobs.Drop(tensors, use)
		}
	}
}

// checkAsking refuses to ask for one more run, if this site asks for as many as it may.
func (o *operator) checkAsking() error {
	n := 0
	for _, a := range o.views.now().asked {
		if a.Spec.By == o.home.ID {
			n++
		}
	}
	if n >= ledger.MaxAsked {
		return api.Refuse(http.StatusConflict, "take one back: weft run stop", "this site asks for %d runs that are not open, at most %d", n, ledger.MaxAsked)
	}
	return nil
}
