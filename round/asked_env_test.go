package round

import (
	"fmt"
	"strings"

	"github.com/cockroachdb/datadriven"

	"github.com/weft-mesh/weft/round/runs"
)

// askedCommand is what transcripts say about runs that are asked for.
func (e *env) askedCommand(d *datadriven.TestData) error {
	if d.Cmd == "asked" { // what each site knows of them
		for _, s := range e.sites {
			if s.down {
				continue
			}
			for _, k := range s.Asked() {
				var words []string
				for _, site := range s.roster().Sites() {
					switch c := k.Consents[site.ID]; {
					case c == nil:
						words = append(words, site.Name+" silent")
					case c.Accept:
						words = append(words, fmt.Sprintf("%s consents (%d, %d samples)", site.Name, c.Serial, c.Samples))
					default:
						words = append(words, fmt.Sprintf("%s declines (%d): %s", site.Name, c.Serial, c.Reason))
					}
				}
				fmt.Fprintf(e.out, "%d knows %s, %d needed: %s\n", s.num, k.Spec.Name, k.Takers, strings.Join(words, ", "))
			}
		}
		return nil
	}
	for i := range d.CmdArgs {
		s := e.sites[number(e.t, d.CmdArgs[i].Key)-1]
		list := s.Asked()
		if len(list) == 0 {
			return fmt.Errorf("site %d knows of no run that is asked for", s.num)
		}
		for _, k := range list {
			switch d.Cmd {
			case "accept": // accept 2 3: their operators consent
				e.step(s, runs.Considered{Run: k.Run, Accept: true, Samples: s.samples()})
			case "refuse": // refuse 4: its operator declines
				e.step(s, runs.Considered{Run: k.Run, Reason: "no"})
			case "takeback": // takeback 1: its operator no longer asks
				e.step(s, runs.StopRun{Run: k.Run})
			}
		}
	}
	return nil
}
