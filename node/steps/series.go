package steps

import (
	"maps"
	"math"

	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/train"
)

// maxPoints are kept of a training; when there are more, about every second goes.
const maxPoints = 256

// series is the curve of a training.
type series struct {
	api.TrainingSteps
	gap uint64 // steps between two points, but for the newest
}

// add adds a point. Steps grow: a step that was there before is where a training goes on that was put off.
func (s *series) add(p api.StepPoint) {
	n := len(s.Points)
	for n > 0 && s.Points[n-1].Step > p.Step {
		n--
	}
	s.Points = s.Points[:n]
	switch {
	case n > 0 && s.Points[n-1].Step == p.Step:
		all := maps.Clone(s.Points[n-1].Metrics)
		maps.Copy(all, p.Metrics)
		p.Metrics = all
		s.Points[n-1] = p
		return
	case n > 1 && s.Points[n-1].Step-s.Points[n-2].Step < s.gap:
		s.Points[n-1] = p
		return
	}
	if s.Points = append(s.Points, p); len(s.Points) > maxPoints {
		s.thin()
	}
}

// thin keeps half of the points, evenly, with the first and the newest.
func (s *series) thin() {
	first, last := s.Points[0], s.Points[len(s.Points)-1]
	s.gap = max(2*s.gap, (last.Step-first.Step-1)/(maxPoints/2)+1)
	kept := s.Points[:1:1]
	for _, p := range s.Points[1 : len(s.Points)-1] {
		if p.Step-kept[len(kept)-1].Step >= s.gap {
			kept = append(kept, p)
		}
	}
	s.Points = append(kept, last)
}

// end returns at which of the run's steps at this site the training is.
func (s *series) end() uint64 {
	if n := len(s.Points); n > 0 {
		return s.From + s.Points[n-1].Step
	}
	return s.From
}

// finite returns the metrics that are numbers.
func finite(p train.Progress) map[string]float64 {
	metrics := map[string]float64{}
	for name, v := range p.Metrics {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			metrics[name] = v
		}
	}
	return metrics
}
