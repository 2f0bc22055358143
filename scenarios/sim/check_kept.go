package sim

import (
	"fmt"
	"reflect"

	"github.com/weft-mesh/weft/round"
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
	n, all, runs := s.machine.Ledger().Roster().Len(), len(c.w.sites), 0
	for _, r := range s.machine.Ledger().Runs() {
		if r.Active() {
			runs++
		}
	}
	formed := runs*(all*attempts+4) + n*told // entries that it would have decided itself
	most := round.Kept{
		Candidates: n*(told+2*n) + 2*n*told + formed,
		Entries:    2*n*told + formed,
		Proposals:  viewsKept,
		Votes:      2 * viewsKept * n,
		Past:       pastKept * (2*all + 1),
		Early:      told * all,
		Changes:    n * told,
		Approvals:  n * told,
		Withdrawn:  n * told,
		Updates:    runs * all * attempts * (1 + late),
		Sought:     all*soughtKept + runs*(late+2),
		Evidence:   all,
		Peers:      all,
		Standing:   ownStanding + formed + 2*n*told + runs*attempts*(1+late),
	}
	has, may := reflect.ValueOf(s.machine.Kept()), reflect.ValueOf(most)
	for i := range has.NumField() {
		if has.Field(i).Int() > may.Field(i).Int() {
			c.w.fail(s.i, PromiseBounded, fmt.Sprintf("%d %s, at most %d", has.Field(i).Int(), has.Type().Field(i).Name, may.Field(i).Int()))
		}
	}
}
