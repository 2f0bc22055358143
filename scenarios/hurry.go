package scenarios

import (
	"time"

	"github.com/weft-mesh/weft/yamlfile"
)

// Hurry makes trainings and all that has a time on the timeline take so many times less. Links stay as they
// are, and with them what the protocol costs; so does the time that the whole may take.
func (s *Scenario) Hurry(by float64) {
	shorten := func(all ...*Duration) {
		for _, d := range all {
			if *d > 0 {
				*d = max(Duration(float64(*d)/by), Duration(time.Millisecond))
			}
		}
	}
	if s.Trainer.Synthetic != nil {
		shorten(&s.Trainer.Synthetic.Time)
	}
	if s.Trainer.Builtin != nil {
		shorten(&s.Trainer.Builtin.Time)
	}
	if bell, err := time.ParseDuration(string(s.Run.RoundTime)); err == nil {
		s.Run.RoundTime = yamlfile.Scalar(max(time.Duration(float64(bell)/by).Truncate(time.Millisecond), time.Second).String())
	}
	for i := range s.Sites {
		shorten(&s.Sites[i].Starts)
	}
	for i := range s.Timeline {
		h := &s.Timeline[i]
		shorten(&h.At, &h.For, &h.Every)
	}
	for _, spans := range [][]Span{s.Expect.Stalled, s.Expect.Progress} {
		for i := range spans {
			shorten(&spans[i].From, &spans[i].To)
		}
	}
}
