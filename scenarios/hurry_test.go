package scenarios

import (
	"testing"
	"time"
)

func TestHurry(t *testing.T) {
	s, err := Parse("whole.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	s.Run.RoundTime = "30m"
	s.Hurry(10)
	if s.Run.RoundTime != "3m0s" {
		t.Errorf("the bell rings after %s, want 3m", s.Run.RoundTime)
	}
	for name, x := range map[string]struct{ got, want Duration }{
		"training":    {s.Trainer.Builtin.Time, Duration(6 * time.Second)},
		"start":       {s.Sites[1].Starts, Duration(6 * time.Second)},
		"fault":       {s.Timeline[0].At, Duration(3 * time.Second)},
		"its length":  {s.Timeline[0].For, Duration(6 * time.Second)},
		"repetition":  {s.Timeline[2].Every, Duration(6 * time.Minute)},
		"stalled":     {s.Expect.Stalled[0].To, Duration(12 * time.Second)},
		"time below":  {s.Expect.TimeBelow, Duration(time.Hour)},
		"until":       {s.Until, Duration(2 * time.Hour)},
		"link's time": {s.Sites[0].Link.Latency, Duration(20 * time.Millisecond)},
		"no time":     {s.Timeline[1].At, 0},
	} {
		if x.got != x.want {
			t.Errorf("%s: %v, want %v", name, x.got, x.want)
		}
	}
}
