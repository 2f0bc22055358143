package real

import (
	"context"
	"slices"

	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/scenarios/sim"
)

// wish is a change of the roster that the operators want: one site goes, one comes, or one comes in another's place.
type wish struct{ out, in *api.RosterSite }

// want has the operators approve of a change, from now on.
func (d *director) want(f *sim.Fault) {
	site := func(i int) *api.RosterSite {
		n := d.nodes[f.Sites[i]]
		return &api.RosterSite{Name: n.Name, ID: n.ID}
	}
	var w wish
	switch f.Kind {
	case sim.Add:
		w.in = site(0)
	case sim.Remove:
		w.out = site(0)
	default:
		w.out, w.in = site(0), site(1)
	}
	d.wishes = append(d.wishes, w)
}

func (w *wish) fulfilled(r *api.Roster) bool {
	has := func(s *api.RosterSite) bool {
		return slices.ContainsFunc(r.Sites, func(o api.RosterSite) bool { return o.ID == s.ID })
	}
	return (w.out == nil || !has(w.out)) && (w.in == nil || has(w.in))
}

// approve has one site's operator say yes to what is wished for and not yet so there. What it may not say, as its
// site is no longer one, or because another change came between, is tried again the next time.
func (d *director) approve(ctx context.Context, c *api.Client) {
	if len(d.wishes) == 0 {
		return
	}
	r, err := c.Roster(ctx)
	if err != nil {
		return
	}
	for i := range d.wishes {
		w := &d.wishes[i]
		if w.fulfilled(&r) {
			continue
		}
		var req api.ChangeRequest
		if w.out != nil {
			at := slices.IndexFunc(r.Sites, func(s api.RosterSite) bool { return s.ID == w.out.ID })
			if at < 0 {
				continue
			}
			req.Remove = r.Sites[at].Name
		}
		if w.in != nil {
			req.Add = &api.RosterSite{Name: w.in.Name, ID: w.in.ID}
			if w.out != nil {
				req.Add.Name = req.Remove
			}
		}
		_, _ = c.ChangeRoster(ctx, req)
	}
}

// wished reports whether the roster is what the operators want, by what its sites say.
func (d *director) wished() bool {
	for _, w := range d.wishes {
		for i, last := range d.result.Last {
			if last == nil || d.down[i] > 0 {
				continue
			}
			is := func(s *api.RosterSite) bool { return s != nil && s.ID == d.nodes[i].ID }
			if is(w.in) && last.Observes || is(w.out) && !last.Observes {
				return false
			}
		}
	}
	return true
}
