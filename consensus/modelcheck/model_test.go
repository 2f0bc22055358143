package modelcheck

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// TestExplore goes through all that can happen. The numbers of states are part of the claim: a rule
// that is lost or added by mistake changes them. WEFT_MODEL=full (make model) adds what takes long.
func TestExplore(t *testing.T) {
	const all = Safety | Progress
	for _, c := range []struct {
		size   string // short: always; usual: where all is tested (WEFT_TEST_ALL=1); full: only when asked for
		cfg    Config
		check  Property
		states int
	}{
		{"short", Config{Views: 1, Liar: 0, Crashes: true}, all, 533},
		{"short", Config{Views: 1, Liar: 3, Crashes: true}, all, 872},
		{"short", Config{Views: 2, Liar: 0}, all, 192_903},
		{"short", Config{Views: 2, Liar: 1}, all, 168_627},
		{"short", Config{Views: 2, Liar: 3}, all, 236_202},
		{"short", Config{Views: 2, Liar: 1, Unable: [sites]Vote{0: B, 2: B}}, all, 178_629},
		{"short", Config{Views: 2, Liar: 0, Unable: [sites]Vote{3: B}}, Safety, 387_291},
		{"short", Config{Views: 2, Liar: 3, Crashes: true, VotesBehind: true}, all | Recovery, 296_759},
		{"usual", Config{Views: 2, Liar: 0, Crashes: true}, all, 779_447},
		{"usual", Config{Views: 2, Liar: 1, Crashes: true}, all, 554_383},
		{"usual", Config{Views: 2, Liar: 3, Crashes: true}, all, 936_321},
		{"full", Config{Views: 3, Liar: 0, Untimed: true}, Safety, 1_188_266},
		{"full", Config{Views: 3, Liar: 1, Untimed: true}, Safety, 878_490},
		{"full", Config{Views: 3, Liar: 2, Untimed: true}, Safety, 808_012},
		{"usual", Config{Views: 3, Liar: 3, Untimed: true}, Safety, 694_385},
		{"full", Config{Views: 2, Liar: 0, Crashes: true, VotesBehind: true}, all | Recovery, 258_864},
		{"full", Config{Views: 2, Liar: 1, Crashes: true, VotesBehind: true}, all | Recovery, 169_290},
		{"full", Config{Views: 3, Liar: 0, Untimed: true, Crashes: true}, Safety, 6_067_635},
		{"full", Config{Views: 3, Liar: 1, Untimed: true, Crashes: true}, Safety, 4_033_851},
		{"full", Config{Views: 3, Liar: 2, Untimed: true, Crashes: true}, Safety, 3_249_615},
		{"full", Config{Views: 3, Liar: 3, Untimed: true, Crashes: true}, Safety, 3_523_277},
		{"full", Config{Views: 3, Liar: 0, VotesBehind: true}, all, 9_926_314},
		{"full", Config{Views: 3, Liar: 1, VotesBehind: true}, all, 7_660_966},
		{"full", Config{Views: 3, Liar: 2, VotesBehind: true}, all, 6_942_327},
		{"full", Config{Views: 3, Liar: 3, VotesBehind: true}, all, 5_801_120},
		{"full", Config{Views: 3, Liar: 0, Crashes: true, VotesBehind: true}, all | Recovery, 56_782_098},
		{"full", Config{Views: 3, Liar: 1, Crashes: true, VotesBehind: true}, all | Recovery, 37_936_381},
		{"full", Config{Views: 3, Liar: 2, Crashes: true, VotesBehind: true}, all | Recovery, 30_253_209},
		{"full", Config{Views: 3, Liar: 3, Crashes: true, VotesBehind: true}, all | Recovery, 32_931_848},
	} {
		t.Run(name(c.cfg), func(t *testing.T) {
			if c.size == "full" && os.Getenv("WEFT_MODEL") != "full" || c.size == "usual" && os.Getenv("WEFT_TEST_ALL") != "1" && os.Getenv("WEFT_MODEL") != "full" {
				t.Skip("make model runs it")
			}
			start := time.Now()
			r := explore(t, c.cfg, c.check)
			t.Logf("%d states, %d transitions, %d deep, %.1f s: %s", r.States, r.Transitions, r.Depth, time.Since(start).Seconds(), c.check)
			if r.Violation != nil {
				t.Fatal(r.Violation)
			}
			if r.States != c.states {
				t.Errorf("%d states, were %d", r.States, c.states)
			}
		})
	}
}

func explore(t *testing.T, c Config, check Property) Result {
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m.Explore(check)
}

func name(c Config) string {
	text := fmt.Sprintf("views=%d,liar=%d", c.Views, c.Liar+1)
	for _, o := range []struct {
		is   bool
		name string
	}{{c.Crashes, "crashes"}, {c.Untimed, "untimed"}, {c.VotesBehind, "behind"}, {c.Unable != [sites]Vote{}, "unable"}} {
		if o.is {
			text += "," + o.name
		}
	}
	return text
}

// TestFlaws breaks one rule after the other; each has to be noticed by what it breaks.
func TestFlaws(t *testing.T) {
	for _, c := range []struct {
		cfg    Config
		broken Property
		depth  int // actions of the shortest counterexample
	}{
		{Config{Views: 1, Liar: 0, Flaw: SmallQuorum}, Agreement, 4},
		{Config{Views: 2, Liar: 3, Flaw: IgnoreLock}, Agreement, 10},
		{Config{Views: 2, Liar: 1, Flaw: TrustPolka}, Agreement, 9},
		{Config{Views: 2, Liar: 1, Flaw: PrecommitAtOnce}, Agreement, 9},
		{Config{Views: 2, Liar: 3, Flaw: ForgetLock, Crashes: true}, Agreement, 11},
		{Config{Views: 1, Liar: 3, Flaw: VoteTwice}, OneVote, 3},
		{Config{Views: 1, Liar: 0, Flaw: VoteUnready, Unable: [sites]Vote{1: B, 2: B}}, Validity, 4},
		{Config{Views: 1, Liar: 3, Flaw: FirstVoteCounts}, Progress, 4},
		// The same by the rule that keeps the entries apart, which is noticed sooner.
		{Config{Views: 2, Liar: 3, Flaw: IgnoreLock}, Locks, 8},
		{Config{Views: 1, Liar: 3, Flaw: PrecommitAtOnce}, Locks, 3},
	} {
		t.Run(c.cfg.Flaw.String(), func(t *testing.T) {
			v := explore(t, c.cfg, c.broken).Violation
			if v == nil {
				t.Fatalf("%s holds", c.broken)
			}
			t.Logf("\n%s", v)
			if v.Property != c.broken || len(v.Trace) != c.depth {
				t.Errorf("%s breaks after %d actions, want %s after %d", v.Property, len(v.Trace), c.broken, c.depth)
			}
		})
	}
}

// TestLimits shows what the agreement does not promise.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name   string
		cfg    Config
		broken Property
		depth  int
	}{
		// By the liar's word a quorum is ready for B, and so proposers may insist on it, but a correct site never is.
		{"proposers insist on what has no quorum", Config{Views: 1, Liar: 3, Unable: [sites]Vote{2: B}}, Progress, 0},
		// A site has left a view because of a vote of the liar, has not voted there, and forgets that vote.
		{"a vote that moved a site on is lost", Config{Views: 2, Liar: 3}, Recovery, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := explore(t, c.cfg, c.broken).Violation
			if v == nil {
				t.Fatalf("%s holds; docs/model.md says it does not", c.broken)
			}
			t.Logf("\n%s", v)
			if len(v.Trace) != c.depth {
				t.Errorf("breaks after %d actions, want %d", len(v.Trace), c.depth)
			}
		})
	}
}
