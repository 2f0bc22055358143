package round

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/datadriven"

	"github.com/weft-mesh/weft/ledger"
)

// rosterCommand is what transcripts say about the roster.
func (e *env) rosterCommand(d *datadriven.TestData) error {
	arg := func(i int) *simSite { return e.sites[number(e.t, d.CmdArgs[i].Key)-1] }
	switch d.Cmd {
	case "add": // add 5 by 1 2: the operators of 1 and 2 approve that 5 comes
		e.approve(e.change(nil, &e.known[arg(0).num-1]), d.CmdArgs[2:])

	case "remove": // remove 3 by 1 2
		e.approve(e.change(&e.known[arg(0).num-1], nil), d.CmdArgs[2:])

	case "replace": // replace 3 with 5 by 1 2: the site 3 speaks by the key of 5
		old := &e.known[arg(0).num-1]
		e.approve(e.change(old, &ledger.Site{ID: e.known[arg(2).num-1].ID, Name: old.Name}), d.CmdArgs[4:])

	case "approve": // approve 2: whatever change it knows of
		for _, c := range arg(0).Changes() {
			e.step(arg(0), Approve{c.Change})
		}

	case "withdraw": // withdraw 2: takes back its approval of whatever change it knows of
		for _, c := range arg(0).Changes() {
			e.step(arg(0), TakeBack{c.Change})
		}

	case "again": // again 1 2: they approve once more of the change asked for last, which was for an older roster
		for i := range d.CmdArgs {
			e.step(arg(i), Approve{e.asked})
		}

	case "gates": // gates open|closed: drivers connect with anyone, or as they should
		e.gates = d.CmdArgs[0].Key == "open"
		e.relink()

	case "changes": // what each site knows of changes that are not decided
		for _, s := range e.sites {
			for _, c := range s.Changes() {
				withdrawn := ""
				if len(c.Withdrawn) > 0 {
					withdrawn = fmt.Sprintf(", %d no longer", len(c.Withdrawn))
				}
				fmt.Fprintf(e.out, "%d knows: %s, %d approve%s, joined %v\n", s.num, c.Change, len(c.Approvals), withdrawn, c.Joined)
			}
		}
	default:
		return fmt.Errorf("no command %q", d.Cmd)
	}
	return nil
}

// change is a change of the newest roster that any site has.
func (e *env) change(remove, add *ledger.Site) *ledger.Change {
	c := &ledger.Change{Remove: remove, Add: add}
	for _, s := range e.sites {
		c.Version = max(c.Version, s.roster().Version())
	}
	e.asked = c
	return c
}

func (e *env) approve(c *ledger.Change, by []datadriven.CmdArg) {
	for _, a := range by {
		e.step(e.sites[number(e.t, a.Key)-1], Approve{c})
	}
}

// rosterOf names the sites of the roster in force at a site by their keys' numbers.
func (e *env) rosterOf(s *simSite) string {
	var nums []int
	for _, site := range s.roster().Sites() {
		nums = append(nums, e.num(site.ID))
	}
	slices.Sort(nums)
	return fmt.Sprintf("roster %d: %s", s.roster().Version(), strings.Trim(fmt.Sprint(nums), "[]"))
}
