package scenarios

import (
	"errors"
	"fmt"
	"slices"

	"github.com/weft-mesh/weft/scenarios/sim"
)

// Outside returns the indexes in All of the sites that the first roster does not have: those that the timeline adds.
func (s *Scenario) Outside() map[int]bool {
	out := map[int]bool{}
	for _, f := range s.Plan() {
		switch f.Kind {
		case sim.Add:
			out[f.Sites[0]] = true
		case sim.Replace:
			out[f.Sites[1]] = true
		}
	}
	return out
}

// checkChange looks at a change of the roster by itself.
func (e *Event) checkChange(s *Scenario) (string, error) {
	switch {
	case !slices.Contains(sim.RosterKinds, e.Roster):
		return ".roster", fmt.Errorf("no change %q; there are add, remove and replace", e.Roster)
	case e.Fault != "":
		return ".fault", errors.New("goes in a line of its own")
	case e.For != 0 || e.Every != 0 || e.Times != 0 || e.Amount != "":
		return "", errors.New("a change of the roster has a time or a round, and sites")
	case len(e.Sites) == 0:
		return "", errors.New("want sites: who comes or goes")
	}
	for n, name := range e.Sites {
		switch found := len(s.Find(name)); {
		case found == 0:
			return fmt.Sprintf(".sites[%d]", n), fmt.Errorf("no site or group %q; who comes is listed under sites too", name)
		case e.Roster == sim.Replace && (found != 1 || len(e.Sites) != 2):
			return ".sites", errors.New("want two sites: the one that goes, and the one that comes in its place")
		}
	}
	return "", nil
}

// checkMoves holds that each site comes once and goes once, in this order.
func (s *Scenario) checkMoves() (string, error) {
	sites := s.All()
	came, went := map[int]bool{}, map[int]bool{}
	for _, f := range s.Plan() {
		for n, site := range f.Sites {
			comes := f.Kind == sim.Add || f.Kind == sim.Replace && n == 1
			goes := f.Kind == sim.Remove || f.Kind == sim.Replace && n == 0
			switch {
			case comes && came[site]:
				return "timeline", fmt.Errorf("%s is added twice", sites[site].Name)
			case comes && went[site]:
				return "timeline", fmt.Errorf("%s is removed before it is added, and no key comes back", sites[site].Name)
			case goes && went[site]:
				return "timeline", fmt.Errorf("%s is removed twice", sites[site].Name)
			}
			came[site], went[site] = came[site] || comes, went[site] || goes
		}
	}
	return "", nil
}
