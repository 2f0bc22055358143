package nodetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
)

// Seven sites, with WEFT_TEST_ALL=1 thirteen, train while up to f of them at a time are stopped, killed or cut off, and come
// back. In the end all hold the same ledger and the same models.
func TestChurn(t *testing.T) {
	weather{sites: 13, rounds: 6}.test(t)
}

// The same with ways between sites that break all the time, lost packets, one site that is ten times
// slower, and a power cut that takes all sites down at once.
func TestAdverse(t *testing.T) {
	weather{sites: 10, rounds: 6, cuts: 8, loss: 0.01, slow: true, blackout: true}.test(t)
}

// weather is what a mesh has to stand beside churn.
type weather struct {
	sites    int
	rounds   uint64
	cuts     int     // of a hundred ways between two sites, how many are cut at a time
	loss     float64 // part of the packets
	slow     bool    // whether one site is ten times slower
	blackout bool    // whether all sites are killed at one moment
}

// test runs with seed 1, or with those that WEFT_VNODE_SEEDS says (make vnode), and then with twenty sites and ten rounds. Seven
// sites and four rounds are enough but where all is tested (CI): what it costs grows with the square of the sites.
func (w weather) test(t *testing.T) {
	from, to := 1, 1
	if s := os.Getenv("WEFT_VNODE_SEEDS"); s != "" {
		from, to = seeds(t, s)
		w.sites, w.rounds = 20, 10
	}
	if raceEnabled || testing.Short() || os.Getenv("WEFT_TEST_ALL") != "1" && os.Getenv("WEFT_VNODE_SEEDS") == "" {
		w.sites, w.rounds = 7, 4
	}
	for seed := from; seed <= to; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { w.seed(t, uint64(seed)) })
	}
}

// seeds reads a number of seeds, or the first and the last as in 7-9.
func seeds(t *testing.T, s string) (from, to int) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		first, last = "1", s
	}
	from, err := strconv.Atoi(first)
	to, err2 := strconv.Atoi(last)
	if err = errors.Join(err, err2); err != nil || from > to {
		t.Fatalf("WEFT_VNODE_SEEDS=%s: want a number, or such as 7-9 (%v)", s, err)
	}
	return from, to
}

// settle makes a test with many nodes go the same way, and quickly. One processor: fewer ways for one seed to go, and less to pay
// for handing work between them. With the race detector a bubble needs it (go.dev/issue/78156).
func settle(t *testing.T, seed uint64) {
	cryptotest.SetGlobalRandom(t, seed)
	processors, garbage := runtime.GOMAXPROCS(1), debug.SetGCPercent(400)
	t.Cleanup(func() {
		runtime.GOMAXPROCS(processors)
		debug.SetGCPercent(garbage)
	})
}

func (w weather) seed(t *testing.T, seed uint64) {
	settle(t, seed)
	begin := time.Now()
	var c *churn
	synctest.Test(t, func(t *testing.T) { c = w.run(t, seed) })
	t.Logf("%s; %s on the wall", c, time.Since(begin).Round(100*time.Millisecond))
}

// run is the test of one seed.
func (w weather) run(t *testing.T, seed uint64) *churn {
	m := New(t, Config{Seed: seed, Sites: w.sites, Model: 8_000, Shard: 500, Train: w.train, Line: w.line})
	c := &churn{weather: w, t: t, m: m, chance: rand.New(rand.NewPCG(seed, 3)), begin: time.Now()}
	for _, s := range m.Sites {
		s.Start()
	}
	c.await("all sites connected", time.Minute, func() bool { return c.status(m.Sites[0]).Up == w.sites })
	m.Net.SetLoss(w.loss)
	opener := m.Sites[c.chance.IntN(w.sites)]
	reply, err := opener.Node.Site().OpenRun(t.Context(), api.RunRequest{Init: true, Spec: ledger.RunSpec{Name: "churn", Rounds: w.rounds}})
	if err != nil {
		t.Fatal(err)
	}
	c.run = reply.Run
	c.await("the rounds", 20*time.Minute, func() bool {
		c.turn()
		return c.rounds() == w.rounds
	})
	c.took = time.Since(c.begin)
	c.mendAll()
	m.Net.SetLoss(0)
	calm := time.Now()
	c.await("the same ledger at all sites", 2*time.Minute, c.same)
	c.settled = time.Since(calm)
	c.inspect()
	return c
}

// isSlow tells the site that is ten times slower.
func (w weather) isSlow(site int) bool { return w.slow && site == 3 }

func (w weather) train(site int) time.Duration {
	if w.isSlow(site) {
		return 40 * time.Second
	}
	return 4 * time.Second
}

func (w weather) line(site int) Line {
	if w.isSlow(site) {
		return Line{Bits: 10e6, Latency: 100 * time.Millisecond}
	}
	return Line{Bits: 100e6}
}
