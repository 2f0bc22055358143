package conduct

import (
	"testing"
	"time"
)

func TestConduct(t *testing.T) {
	var c Conduct
	now := time.Unix(1e9, 0)
	strike := func(weight int) time.Duration {
		_, until := c.Strike("p", weight, now)
		if until.IsZero() {
			return 0
		}
		return until.Sub(now)
	}
	banned := func() bool {
		return now.Before(c.Of("p").Banned)
	}
	for range 1000 { // one in ten seconds is forgiven for ever
		if strike(1) != 0 {
			t.Fatal("banned for a strike in ten seconds")
		}
		now = now.Add(strikeFade)
	}
	for _, want := range []time.Duration{banMin, 2 * banMin, 4 * banMin} {
		for i := range maxStrikes + 1 {
			got := strike(1)
			if (got != 0) != (i == maxStrikes) || got != 0 && got != want {
				t.Fatalf("strike %d: banned for %v, want %v", i, got, want)
			}
		}
		if strike(100) != 0 || !banned() {
			t.Fatal("what is in flight during a ban counts twice")
		}
		now = now.Add(want)
		if banned() {
			t.Fatal("banned for too long")
		}
	}
	for range 20 {
		now = now.Add(banMax)
		if got := strike(maxStrikes + 1); got > banMax {
			t.Fatalf("banned for %v", got)
		}
	}
	now = now.Add(banMax + banForget + 1)
	if got := strike(maxStrikes + 1); got != banMin {
		t.Fatalf("after long good conduct banned for %v", got)
	}
	c.Drop("p", 3)
	if i := c.Of("p"); i.Dropped != 3 || i.Rejected == 0 || i.Banned != now.Add(banMin) {
		t.Fatalf("%+v", i)
	}
}
