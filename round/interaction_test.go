package round

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
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

// sites 4 [faults=crash]: a new mesh of sites 1 to 4.
func newInteraction(t *testing.T, d *datadriven.TestData) *env {
	faults := "byzantine"
	d.MaybeScanArgs(t, "faults", &faults)
	e := newEnv(t, number(t, d.CmdArgs[0].Key), Faults(faults))
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
		spec.Late, spec.MinSites = LatePolicy(late), uint64(least)
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
			fmt.Fprintln(e.out)
		}
	default:
		return fmt.Errorf("no command %q", d.Cmd)
	}
	return nil
}
