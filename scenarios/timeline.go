package scenarios

import (
	"time"

	"github.com/weft-mesh/weft/scenarios/sim"
)

// Plan returns the timeline as the simulator's faults, repetitions apart.
func (s *Scenario) Plan() (plan []sim.Fault) {
	for _, h := range s.Timeline {
		value, _ := h.value() // it has been checked
		f := sim.Fault{Kind: h.Fault, At: time.Duration(h.At), Round: uint64(h.Round), For: time.Duration(h.For), Value: value}
		for _, name := range h.Sites {
			f.Sites = append(f.Sites, s.Find(name)...)
		}
		if h.Roster != "" {
			f.Kind = h.Roster
		}
		if f.Kind == sim.Add || f.Kind == sim.Remove { // each site by itself
			for _, site := range f.Sites {
				one := f
				one.Sites = []int{site}
				plan = append(plan, one)
			}
			continue
		}
		for n := range max(1, h.Times) {
			again := f
			again.At += time.Duration(n) * time.Duration(h.Every)
			plan = append(plan, again)
		}
	}
	return plan
}
