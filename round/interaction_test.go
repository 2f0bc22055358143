package round

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
)

// TestInteraction walks the dialogues in testdata: commands, and what the sites then do. Run with
// -rewrite to write the transcripts anew, and read the difference.
func TestInteraction(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var e *env
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var out strings.Builder
			if d.Cmd == "sites" {
				e = newInteraction(t, d)
			}
			e.t, e.out = t, &out
			if err := e.command(d); err != nil {
				fmt.Fprintf(&out, "error: %v\n", err)
			}
			if out.Len() == 0 {
				return "ok\n"
			}
			return out.String()
		})
	})
}

// sites 4 [faults=crash] [joiners=1] [protocol=4]: a new mesh of sites 1 to 4, and a site 5 that is not of the mesh. From protocol 4
// on the sites' operators answer on what is asked for.
func newInteraction(t *testing.T, d *datadriven.TestData) *env {
	faults := "byzantine"
	d.MaybeScanArgs(t, "faults", &faults)
	joiners := 0
	d.MaybeScanArgs(t, "joiners", &joiners)
	protocol := 1
	d.MaybeScanArgs(t, "protocol", &protocol)
	g := testGenesis(number(t, d.CmdArgs[0].Key), ledger.Faults(faults))
	g.Under(uint64(protocol), "test")
	e := newEnvOf(t, g, joiners)
	e.ask = protocol >= ledger.AskProtocol
	e.stabilize()
	return e
}

func number(t testing.TB, s string) int {
	var n int
	if _, err := fmt.Sscan(s, &n); err != nil {
		t.Fatalf("%q is no number", s)
	}
	return n
}

func (e *env) command(d *datadriven.TestData) error {
	arg := func(i int) *simSite { return e.sites[number(e.t, d.CmdArgs[i].Key)-1] }
	switch d.Cmd {
	case "sites":
		r := e.genesis.Roster()
		fmt.Fprintf(e.out, "n=%d f=%d q=%d\n", r.Len(), r.F(), r.Quorum())

	case "open": // open rounds=3 [late=drop] [min=2]: site 1 asks for a run
		rounds, late, least := 1, "carry", 0
		d.MaybeScanArgs(e.t.(*testing.T), "rounds", &rounds)
		d.MaybeScanArgs(e.t.(*testing.T), "late", &late)
		d.MaybeScanArgs(e.t.(*testing.T), "min", &least)
		spec := e.spec(uint64(rounds))
		spec.Late, spec.MinSites = ledger.LatePolicy(late), uint64(least)
		e.open(spec)

	case "announce": // announce 2 3: their trainings end
		for i := range d.CmdArgs {
			if !e.trained(arg(i)) {
				return fmt.Errorf("site %s does not train", d.CmdArgs[i].Key)
			}
		}

	case "deliver", "drop": // deliver 1->3 [kind=prevote]: what 1 has sent to 3, all in order
		var from, to int
		if _, err := fmt.Sscanf(d.CmdArgs[0].Key, "%d->%d", &from, &to); err != nil {
			return err
		}
		kind := ""
		d.MaybeScanArgs(e.t.(*testing.T), "kind", &kind)
		for i := 0; i < len(e.wire); {
			l := e.wire[i]
			match := l.from == from && l.to == to && (kind == "" || l.msg.Statement != nil && string(l.msg.Statement.Kind) == kind)
			switch {
			case !match:
				i++
			case d.Cmd == "deliver":
				e.deliver(i)
			default:
				e.wire = append(e.wire[:i:i], e.wire[i+1:]...)
			}
		}

	case "crash": // crash 3: it loses all but its log
		e.crash(arg(0))

	case "restart":
		e.restart(arg(0))

	case "alarm": // alarm 5s: time passes, who waited acts; nothing is delivered
		wait, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			return err
		}
		e.now += wait
		e.wake()

	case "stabilize": // [for=10s]: everything is delivered, and time passes so that who lost something gets it
		var pass time.Duration
		if d.HasArg("for") {
			var s string
			d.ScanArgs(e.t.(*testing.T), "for", &s)
			pass, _ = time.ParseDuration(s)
		}
		e.stabilize()
		for end := e.now + pass; e.now < end; {
			e.now += 100 * time.Millisecond
			e.wake()
			e.stabilize()
		}

	case "liar": // liar 2: what it offers from now on is found invalid by whoever fetches it
		e.lies[arg(0).num] = true

	case "spoil": // spoil 2: its update cannot be aggregated
		e.spoilt[arg(0).num] = true

	case "reduce": // reduce off|on: computations of new models hang, or go on
		e.idle = d.CmdArgs[0].Key == "off"
		for _, s := range e.sites {
			hung := s.hung
			s.hung = nil
			for _, j := range hung {
				e.job(s, j)
			}
			e.step(s, Alarm{})
		}

	case "vanish": // vanish 2: every copy of the updates it has announced is gone
		for c := range e.holds {
			for _, s := range e.sites {
				for _, u := range s.known(arg(0).self) {
					if u.Manifest == c {
						delete(e.holds, c)
					}
				}
			}
		}

	case "found": // found 2: its updates are back, at itself
		s := arg(0)
		for _, u := range s.known(s.self) {
			e.hold(s, u.Manifest)
			if j, ok := s.seeking[u.Manifest]; ok {
				e.job(s, j)
			}
		}
		e.step(s, Alarm{})

	case "lose": // lose 3: it is down, and its disk is gone
		s := arg(0)
		e.crash(s)
		s.log = []Record{{Born: &Born{Mesh: s.ledger.Mesh(), Site: s.self, Lost: true}}}
		for c := range e.holds {
			delete(e.holds[c], s.num)
		}

	case "double": // double 3: it votes twice in the current view, for nil the second time, and tells 1 only
		s := arg(0)
		kind := ledger.KindPrevote
		twice := s.out.Sign(kind, &ledger.Vote{Height: s.consensus.Number(), View: s.View()})
		e.wire = append(e.wire, letter{s.num, 1, &Message{Attempt: 1, Statement: twice}, 0})

	case "twofaced": // twofaced 4 1 2: it prevotes nil to 1, and to 2 an entry that nobody has
		s := arg(0)
		other := block.Sum(block.DagCBOR, []byte("other"))
		for i, entry := range []block.CID{{}, other} {
			v := s.out.Sign(ledger.KindPrevote, &ledger.Vote{Height: s.consensus.Number(), View: s.View(), Entry: entry})
			e.wire = append(e.wire, letter{s.num, arg(i + 1).num, &Message{Attempt: 1, Statement: v}, 0})
		}

	case "forge": // forge 3: it sends 1 a vote in the name of 2
		s := arg(0)
		f := s.out.Sign(ledger.KindPrevote, &ledger.Vote{Height: s.consensus.Number(), View: s.View()})
		f.From = e.sites[1].self
		e.wire = append(e.wire, letter{s.num, 1, &Message{Attempt: 1, Statement: f}, 0})

	case "stop": // stop 2: its operator ends the run
		for _, r := range arg(0).ledger.Runs() {
			e.step(arg(0), runs.StopRun{Run: r.ID, Reason: "enough"})
		}

	case "decline": // decline 2: its operator does not take part any more
		for _, r := range arg(0).ledger.Runs() {
			e.step(arg(0), runs.Considered{Run: r.ID, Accept: false})
		}

	case "break": // break 2: its machine computes wrong models from now on
		e.broken[arg(0).num] = true

	case "status":
		for _, s := range e.sites {
			if s.down {
				fmt.Fprintf(e.out, "%d down\n", s.num)
				continue
			}
			fmt.Fprintf(e.out, "%d height %d", s.num, s.ledger.Height())
			for _, r := range s.ledger.Runs() {
				fmt.Fprintf(e.out, ", round %d of %d, %d seals, model %s", r.Round, r.Spec.Rounds, len(r.Seals), r.Base.Short())
			}
			if len(e.known) > len(e.genesis.Sites) || s.roster().Version() > 0 {
				fmt.Fprintf(e.out, ", %s", e.rosterOf(s))
			}
			fmt.Fprintln(e.out)
		}
	case "accept", "refuse", "takeback", "asked":
		return e.askedCommand(d)

	default:
		return e.rosterCommand(d)
	}
	return nil
}
