package scenarios

import (
	"errors"
	"fmt"
	"time"

	"github.com/weft-mesh/weft/scenarios/sim"
	"github.com/weft-mesh/weft/yamlfile"
)

// Event is a fault, once or again and again, or a change of the roster.
type Event struct {
	Fault  sim.FaultKind   `yaml:"fault" json:"fault,omitempty"`
	Roster sim.FaultKind   `yaml:"roster" json:"roster,omitempty"` // instead: add, remove or replace, the second of Sites for the first
	At     Duration        `yaml:"at" json:"at"`                   // from the start, or from the round's opening
	Round  yamlfile.Count  `yaml:"round" json:"round,omitempty"`   // 0: by time alone
	For    Duration        `yaml:"for" json:"for,omitempty"`       // 0: for good
	Every  Duration        `yaml:"every" json:"every,omitempty"`   // then again
	Times  Number          `yaml:"times" json:"times,omitempty"`   // how often in all
	Sites  Names           `yaml:"sites" json:"sites,omitempty"`   // none: all
	Amount yamlfile.Scalar `yaml:"amount" json:"amount,omitempty"` // how much, for faults that have a degree; see faultRules
}

func (s *Scenario) checkTimeline() (string, error) {
	faults := 0
	for i := range s.Timeline {
		e := &s.Timeline[i]
		key := fmt.Sprintf("timeline[%d]", i)
		if field, err := e.check(s); err != nil {
			return key + field, err
		}
		if e.Roster == "" {
			faults += max(1, int(e.Times))
		}
		if faults > maxFaults {
			return key + ".times", fmt.Errorf("more than %d faults in all", maxFaults)
		}
	}
	if len(s.Outside()) == len(s.All()) {
		return "timeline", errors.New("it adds all sites: somebody has to found the mesh")
	}
	return s.checkMoves()
}

// check looks at one event by itself. It returns what is wrong with it, and the field of it that is at fault.
func (e *Event) check(s *Scenario) (string, error) {
	switch {
	case e.At >= s.Until:
		return ".at", fmt.Errorf("%v, but the scenario ends at %v: raise until", e.At, s.Until)
	case e.Round > s.Run.Rounds:
		return ".round", fmt.Errorf("%d, but the run has %d", e.Round, s.Run.Rounds)
	case e.Roster != "":
		return e.checkChange(s)
	}
	return e.checkFault(s)
}

// Plan returns the timeline as the simulator's faults, repetitions apart.
func (s *Scenario) Plan() (plan []sim.Fault) {
	for _, e := range s.Timeline {
		value, _ := e.value() // it has been checked
		f := sim.Fault{Kind: e.Fault, At: time.Duration(e.At), Round: uint64(e.Round), For: time.Duration(e.For), Value: value}
		for _, name := range e.Sites {
			f.Sites = append(f.Sites, s.Find(name)...)
		}
		if e.Roster != "" {
			f.Kind = e.Roster
		}
		if f.Kind == sim.Add || f.Kind == sim.Remove { // each site by itself
			for _, site := range f.Sites {
				one := f
				one.Sites = []int{site}
				plan = append(plan, one)
			}
			continue
		}
		for n := range max(1, e.Times) {
			again := f
			again.At += time.Duration(n) * time.Duration(e.Every)
			plan = append(plan, again)
		}
	}
	return plan
}
