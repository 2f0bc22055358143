package sim

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weft-mesh/weft/trace"
)

var (
	seedFlag   = flag.Int64("seed", -1, "play the trial of this seed alone, with its trace")
	seedsFlag  = flag.Uint64("seeds", 0, "how many trials TestTrials plays")
	firstFlag  = flag.Uint64("first", 0, "seed of the first trial")
	sitesFlag  = flag.Int("sites", 0, "sites of each trial; 0: drawn")
	liarFlag   = flag.String("liar", "", "adversary of every liar; empty: drawn")
	rosterFlag = flag.Bool("roster", false, "every trial changes its roster")
	asksFlag   = flag.Bool("asks", false, "in every trial runs are asked for before they are opened")
	noShrink   = flag.Bool("noshrink", false, "do not look for a smaller trial")
	planFlag   = flag.String("trial", "", "play this trial, JSON as a failure prints it")
)

// TestTrials plays random meshes with random faults and liars. A failure says how to play it again, and
// what remains of it when all that does not matter is left out.
func TestTrials(t *testing.T) {
	if *seedFlag >= 0 || *planFlag != "" {
		replay(t)
		return
	}
	seeds := *seedsFlag
	if seeds == 0 {
		seeds = 24 // make sim plays the many
		if testing.Short() || os.Getenv("WEFT_TEST_ALL") != "1" {
			seeds = 14
		}
	}
	var next, events atomic.Uint64
	next.Store(*firstFlag)
	var wg sync.WaitGroup
	start := time.Now()
	for range 2 {
		wg.Go(func() {
			for !t.Failed() {
				seed := next.Add(1) - 1
				if seed >= *firstFlag+seeds {
					return
				}
				trial := asked(seed)
				w, err := trial.Play(nil)
				if err != nil {
					report(t, trial, err)
					return
				}
				events.Add(w.Events())
			}
		})
	}
	wg.Wait()
	t.Logf("%d trials, %d events, %.0f a second", seeds, events.Load(), float64(events.Load())/time.Since(start).Seconds())
}

// asked draws the trial of a seed as the flags say. In every third its runs have an outer step with a state, in every fourth the
// sites measure models and choose the best, in every fifth they skip a round now and then, in every sixth of the small ones runs are asked for before they
// are opened.
func asked(seed uint64) *Trial {
	trial := NewTrial(seed, *sitesFlag, *liarFlag, *rosterFlag)
	trial.Work.State = seed%3 == 1
	if seed%4 == 2 {
		trial = trial.selects()
	}
	if seed%7 == 4 {
		trial = trial.rolls()
	}
	if seed%5 == 2 {
		trial.Work.Skips = 4
	}
	if *asksFlag || seed%6 == 4 && trial.Sites <= 10 { // the large ones take long
		trial = trial.asksFirst()
	}
	return trial
}

func report(t *testing.T, trial *Trial, err error) {
	text := fmt.Sprintf("seed %d: %v\nplay it again: go test ./scenarios/sim -run TestTrials -v -seed %d -sites %d -liar '%s' -roster=%v -asks=%v", trial.Seed, err, trial.Seed, trial.Sites, *liarFlag, *rosterFlag, *asksFlag)
	var v *Violation
	if errors.As(err, &v) && !*noShrink {
		small := trial.Shrink(v.Promise, 300)
		_, err := small.Play(nil)
		text += fmt.Sprintf("\nthe smallest that breaks it: %v\ngo test ./scenarios/sim -run TestTrials -v -trial '%s'", err, small)
	}
	t.Error(text)
}

// replay plays one trial and prints its trace.
func replay(t *testing.T) {
	trial := asked(uint64(max(0, *seedFlag)))
	if *planFlag != "" {
		trial = &Trial{}
		if err := json.Unmarshal([]byte(*planFlag), trial); err != nil {
			t.Fatal(err)
		}
	}
	t.Log(trial)
	w, err := trial.Play(func(at time.Duration, site int, tr trace.Event) {
		if testing.Verbose() {
			line, _ := trace.Marshal(struct{}{}, tr)
			fmt.Printf("%12v %2d %s\n", at, site+1, line)
		}
	})
	if err != nil {
		t.Error(err)
	}
	t.Logf("%d events, %v, %s", w.Events(), w.Now(), w.standing())
}
