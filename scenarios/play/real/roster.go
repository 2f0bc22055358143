package real

import (
	"context"
	"slices"

	"github.com/weft-mesh/weft/node"
	"github.com/weft-mesh/weft/scenarios/sim"
)

// intent is a change of the roster that the operators want: one site goes, one comes, or one comes in another's place.
type intent struct{ out, in *node.RosterSite }

// want has the operators approve of a change, from now on.
func (run *runner) want(f *sim.Fault) {
	site := func(i int) *node.RosterSite {
		n := run.nodes[f.Sites[i]]
		return &node.RosterSite{Name: n.Name, ID: n.ID}
	}
	var w intent
	switch f.Kind {
	case sim.Add:
		w.in = site(0)
	case sim.Remove:
		w.out = site(0)
	default:
		w.out, w.in = site(0), site(1)
	}
	run.intents = append(run.intents, w)
}

func (w *intent) fulfilled(r *node.Roster) bool {
	has := func(s *node.RosterSite) bool {
		return slices.ContainsFunc(r.Sites, func(o node.RosterSite) bool { return o.ID == s.ID })
	}
	return (w.out == nil || !has(w.out)) && (w.in == nil || has(w.in))
}

// approve has one site's operator say yes to the intents that are not fulfilled there. What it may not say, as its
// site is no longer one, or because another change came between, is tried again the next time.
func (run *runner) approve(ctx context.Context, c *node.Client) {
	if len(run.intents) == 0 {
		return
	}
	r, err := c.Roster(ctx)
	if err != nil {
		return
	}
	for i := range run.intents {
		w := &run.intents[i]
		if w.fulfilled(&r) {
			continue
		}
		var req node.ChangeRequest
		if w.out != nil {
			at := slices.IndexFunc(r.Sites, func(s node.RosterSite) bool { return s.ID == w.out.ID })
			if at < 0 {
				continue
			}
			req.Remove = r.Sites[at].Name
		}
		if w.in != nil {
			req.Add = &node.RosterSite{Name: w.in.Name, ID: w.in.ID}
			if w.out != nil {
				req.Add.Name = req.Remove
			}
		}
		_, _ = c.ChangeRoster(ctx, req)
	}
}

// fulfilled reports whether the roster is what the operators want, by what its sites say.
func (run *runner) fulfilled() bool {
	for _, w := range run.intents {
		for i, last := range run.result.Last {
			if last == nil || run.down[i] > 0 {
				continue
			}
			is := func(s *node.RosterSite) bool { return s != nil && s.ID == run.nodes[i].ID }
			if is(w.in) && last.Observes || is(w.out) && !last.Observes {
				return false
			}
		}
	}
	return true
}
