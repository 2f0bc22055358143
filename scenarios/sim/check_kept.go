package sim

import (
	"fmt"
	"reflect"

	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/membership"
	"github.com/weft-mesh/weft/round/runs"
)

// The limits of docs/protocol.md, which bound what a site keeps of what others send it.
const (
	told        = 8           // entries that a site may tell at a height, and that its proposals may bring; also early messages, and changes it approves of
	viewsKept   = 16 + 64 + 3 // around one's own, its own, and those of lock and valid entry
	pastKept    = 4           // decided heights
	attempts    = 4           // updates of a site for one opening
	late        = 8           // rounds that an update may be late
	soughtKept  = 32          // models for runs that one site asks for
	keptEvery   = 8           // steps of a site between two looks at what it keeps
	ownStanding = 2*viewsKept + 16
)

// kept holds that what a site keeps is bounded, whatever the others send.
func (c *checker) kept(s *site) {
	if s.steps++; s.steps%keptEvery != 0 {
		return
	}
	n, all, active := s.machine.Ledger().Roster().Len(), len(c.w.sites), 0
	for _, r := range s.machine.Ledger().Runs() {
		if r.Active() {
			active++
		}
	}
	asked := 0
	if c.asks() {
		asked = all * ledger.MaxAsked
	}
	formed := active*(all*attempts+4) + n*told + all*asked // entries that it would have decided itself
	most := round.Footprint{
		Votes: consensus.Footprint{
			Candidates: n*(told+2*n) + 2*n*told + formed,
			Entries:    2*n*told + formed,
			Proposals:  viewsKept,
			Votes:      2 * viewsKept * n,
			Past:       pastKept * (2*all + 1),
		},
		Members:  membership.Footprint{Changes: n * told, Approvals: n * told, Withdrawn: n * told},
		Runs:     runs.Footprint{Updates: active * all * attempts * (1 + late), Sought: all*soughtKept + active*(late+2), Asked: ledger.MaxAsked + all + asked, Answers: all * asked},
		Early:    told * all,
		Evidence: all,
		Peers:    all,
		Standing: 2*asked + ownStanding + formed + 2*n*told + active*attempts*(1+late),
	}
	c.bounded(s, "", reflect.ValueOf(s.machine.Footprint()), reflect.ValueOf(most))
}

// bounded compares two footprints, number by number.
func (c *checker) bounded(s *site, of string, has, may reflect.Value) {
	for i := range has.NumField() {
		name := of + has.Type().Field(i).Name
		if has.Field(i).Kind() == reflect.Struct {
			c.bounded(s, name+".", has.Field(i), may.Field(i))
		} else if has.Field(i).Int() > may.Field(i).Int() {
			c.w.fail(s.i, PromiseBounded, fmt.Sprintf("%d %s, at most %d", has.Field(i).Int(), name, may.Field(i).Int()))
		}
	}
}
