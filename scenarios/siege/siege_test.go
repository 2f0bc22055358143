package siege_test

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/weft-mesh/weft/scenarios/siege"
)

var (
	exe     = flag.String("siege", "", "weft binary to besiege; none: no siege")
	phase   = flag.Duration("siege-time", 30*time.Second, "length of a phase, under attack or calm")
	repeats = flag.Int("siege-repeats", 5, "phases of each, in turn; 0: one attack alone, judged by bans and growth")
)

// TestSiege attacks four real sites; make siege and make siege-short run it.
func TestSiege(t *testing.T) {
	if *exe == "" {
		t.Skip("it takes minutes: make siege runs it, make siege-short a short form")
	}
	var all []*siege.Outcome
	for _, a := range siege.Attacks {
		t.Run(a.Name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "weft-siege-") // t.TempDir's paths are too long for a Unix socket
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the sites' directories stay in %s", dir)
					return
				}
				_ = os.RemoveAll(dir)
			})
			c, err := siege.Found(t.Context(), *exe, dir, 100*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			o, err := c.Lay(t.Context(), a, siege.Measure{Time: *phase, Repeats: *repeats})
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, o)
			judge(t, a, o)
		})
	}
	t.Logf("\n%s", siege.Table(all))
}

// judge says what must hold on any machine, and when enough was measured what an attack may take.
func judge(t *testing.T, a siege.Attack, o *siege.Outcome) {
	t.Helper()
	const ledger, growth = 8 << 20, 256 << 20
	if len(o.Wrong) > 0 {
		t.Errorf("honest sites ban each other: %v", o.Wrong)
	}
	if a.Banned && o.Banned < siege.Honest {
		t.Errorf("%d of %d sites have banned who does that", o.Banned, siege.Honest)
	}
	if !a.Banned && o.Banned > 0 {
		t.Errorf("%d sites have banned who says too much of what is right", o.Banned)
	}
	if o.Peak > o.Before+growth {
		t.Errorf("a site has grown from %d MB to %d MB", o.Before>>20, o.Peak>>20)
	}
	if most := o.Answered(ledger); o.Received > most {
		t.Errorf("%d bytes were sent, and %d answered; want %d at most", o.Sent, o.Received, most)
	}
	if *repeats == 0 {
		return
	}
	if a.Banned && o.After > 5*time.Second {
		t.Errorf("banned after %v, want 5s", o.After)
	}
	if o.Ratio() < 0.8 {
		t.Errorf("%.2f of the rounds of the calm, want 0.8", o.Ratio())
	}
}
