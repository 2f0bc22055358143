package runs

import (
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

func TestAllowance(t *testing.T) {
	var a Allowance
	over := map[block.CID]bool{}
	live := func(run block.CID) bool { return !over[run] }
	take := func(now time.Duration, run int, opener string, taken ...int) string {
		var list []block.CID
		for _, n := range taken {
			list = append(list, name("run %d", n))
		}
		return a.Take(now, name("run %d", run), peer.ID(opener), list, live)
	}
	for run := 1; run <= 2; run++ {
		if why := take(0, run, "a"); why != "" {
			t.Fatal(why)
		}
	}
	if why := take(0, 3, "a"); !strings.Contains(why, "2 runs") {
		t.Errorf("a third at one time: %q", why)
	}
	if why := take(0, 9, "b", 7, 8); !strings.Contains(why, "2 runs") {
		t.Errorf("two of before a restart: %q", why)
	}
	if why := take(0, 9, "b"); why != "" {
		t.Errorf("another opener: %s", why)
	}
	for run := 3; run <= 4; run++ {
		over[name("run %d", run-2)] = true
		if why := take(time.Minute, run, "a"); why != "" {
			t.Error(why)
		}
	}
	over[name("run 3")], over[name("run 4")] = true, true
	if why := take(90*time.Second, 7, "a"); !strings.Contains(why, "2 runs") {
		t.Errorf("what was granted a moment ago may not be seen yet: %q", why)
	}
	if why := take(59*time.Minute, 5, "a"); !strings.Contains(why, "4 runs of that site in an hour") {
		t.Errorf("a fifth in an hour: %q", why)
	}
	if why := take(62*time.Minute, 5, "a"); why != "" {
		t.Error(why)
	}
	if n := len(a.granted); n > 3 {
		t.Errorf("%d are remembered", n)
	}
}
