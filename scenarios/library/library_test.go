package library_test

import (
	"os"
	"testing"
	"time"

	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/scenarios/library"
	"github.com/weft-mesh/weft/scenarios/play/simulated"
)

// TestLibrary plays every scenario of the library at reduced size: small meshes, and a trainer that
// pretends where the file's learns. With WEFT_SCENARIOS=full, as in `make scenarios`, it plays them
// as they are.
func TestLibrary(t *testing.T) {
	all, err := library.All()
	if err != nil || len(all) < 15 {
		t.Fatalf("%d scenarios, %v", len(all), err)
	}
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			if _, err := os.Stat("../../docs/scenarios/" + s.Name + ".md"); err != nil {
				t.Error(err)
			}
			if !full() {
				reduce(t, s)
			}
			begun := time.Now()
			r, err := simulated.Play(t.Context(), s, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range r.Verdicts {
				if !v.Held {
					t.Errorf("%s: %s", v.Expected, v.Got)
				}
			}
			if r.Broken != "" {
				t.Error(r.Broken)
			}
			t.Logf("%d sites, %v in %v", len(r.Sites), r.Took.Round(time.Second), time.Since(begun).Round(time.Millisecond))
		})
	}
}

// full reports whether tests may take minutes.
func full() bool { return os.Getenv("WEFT_SCENARIOS") == "full" }

func reduce(t *testing.T, s *scenarios.Scenario) {
	if b := s.Trainer.Builtin; b != nil {
		s.Trainer = scenarios.Trainer{Synthetic: &scenarios.Synthetic{Bytes: 1e6, Time: b.Time, Spread: b.Spread}}
		s.Data, s.Expect.LossAbove, s.Expect.LossBelow, s.Expect.Better = scenarios.Data{}, 0, 0, false
	}
	if time.Duration(s.Trainer.Synthetic.Time) > 10*time.Minute {
		s.Hurry(20) // days of idling take their time
	}
	if len(s.All()) > 32 {
		if err := s.Resize(16); err != nil {
			t.Fatal(err)
		}
	}
}
