package steps

import (
	"bytes"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/train"
)

var run = block.Sum(block.DagCBOR, []byte("run"))

func open(t *testing.T, dir string) *Log {
	t.Helper()
	l, err := Open(dir, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func of(t *testing.T, l *Log) []api.TrainingSteps {
	t.Helper()
	list, err := l.Of(run)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func said(step uint64, metrics map[string]float64) train.Progress {
	return train.Progress{Step: step, Steps: 1000, Metrics: metrics}
}

func loss(v float64) map[string]float64 { return map[string]float64{"loss": v} }

func stepsOf(t api.TrainingSteps) (list []uint64) {
	for _, p := range t.Points {
		list = append(list, p.Step)
	}
	return list
}

// However many steps a training has, its curve has 256 points at most, evenly spread, with the first and the newest.
func TestThinned(t *testing.T) {
	for _, every := range []uint64{1, 7} {
		for _, n := range []uint64{1, 255, 256, 257, 1000, 54_321} {
			s := &series{}
			for i := uint64(1); i <= n; i++ {
				s.add(api.StepPoint{Step: i * every, Metrics: loss(float64(i))})
			}
			got := stepsOf(s.TrainingSteps)
			if len(got) > maxPoints || got[0] != every || got[len(got)-1] != n*every || n > maxPoints && len(got) < maxPoints/2-1 || n <= maxPoints && len(got) != int(n) {
				t.Fatalf("%d steps, each %d: %d points from %d to %d", n, every, len(got), got[0], got[len(got)-1])
			}
			for i := 1; i < len(got)-1; i++ {
				if d := got[i] - got[i-1]; n > maxPoints && (d < s.gap || d >= s.gap+every) {
					t.Fatalf("%d steps: a point at %d after one at %d, the gap is %d", n, got[i], got[i-1], s.gap)
				}
			}
		}
	}
	s := &series{}
	for i := range uint64(300) {
		s.add(api.StepPoint{Step: i * (math.MaxUint64 / 300)})
	}
	if len(s.Points) > maxPoints {
		t.Errorf("%d points over all numbers", len(s.Points))
	}
}

// What was said of a run's trainings is there after a restart, and a training that was cut short goes on where it was.
func TestGoesOn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "steps")
	l := open(t, dir)
	begun := time.Now()
	add, end := l.Begin(run, 1, 1)
	add(said(10, loss(3)))
	add(said(20, map[string]float64{"loss": 2, "bad": math.NaN()}))
	add(said(20, map[string]float64{"accuracy": 0.5}))
	add(said(30, nil))
	add(said(30, map[string]float64{"bad": math.Inf(1)}))
	under := of(t, l)
	end()
	add, end = l.Begin(run, 2, 1)
	for _, step := range []uint64{5, 10, 15} {
		add(said(step, loss(float64(step))))
	}
	end()
	_, end = l.Begin(run, 3, 1) // says nothing
	end()

	l = open(t, dir)
	add, end = l.Begin(run, 2, 1)
	add(said(12, loss(12)))
	end()
	add, end = l.Begin(run, 2, 2)
	add(said(1, loss(1)))
	end()
	list := of(t, l)
	if len(list) != 3 || len(under) != 1 || len(under[0].Points) != 2 {
		t.Fatalf("%+v, before %+v", list, under)
	}
	for i, want := range []struct {
		round, attempt, from uint64
		steps                []uint64
	}{{1, 1, 0, []uint64{10, 20}}, {2, 1, 20, []uint64{5, 10, 12}}, {2, 2, 32, []uint64{1}}} {
		if g := list[i]; g.Round != want.round || g.Attempt != want.attempt || g.From != want.from || g.Steps != 1000 || !slices.Equal(stepsOf(g), want.steps) {
			t.Errorf("%+v, want %+v", g, want)
		}
	}
	p := list[0].Points[1]
	if len(p.Metrics) != 2 || p.Metrics["loss"] != 2 || p.Metrics["accuracy"] != 0.5 || p.Time.Before(begun.Round(0)) || p.Time.After(time.Now()) {
		t.Errorf("%+v", p)
	}
}

// The newest trainings of a run are kept, in a file that does not grow for ever, and files of the runs that trained last.
func TestBounded(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	largest := 0
	for round := uint64(1); round <= 3*maxLines; round++ {
		add, end := l.Begin(run, round, 1)
		add(said(1, loss(1)))
		end()
		data, err := os.ReadFile(path(dir, run))
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, bytes.Count(data, []byte("\n")))
	}
	list := of(t, l)
	if len(list) != maxTrainings || list[0].Round != 3*maxLines-maxTrainings+1 || list[0].From != list[0].Round-1 || largest > maxLines {
		t.Errorf("%d trainings from %+v, %d lines at most", len(list), list[0], largest)
	}
	for i := range maxRuns {
		other := path(dir, block.Sum(block.DagCBOR, []byte{byte(i)}))
		if err := os.WriteFile(other, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(time.Duration(i+1) * time.Hour)
		if err := os.Chtimes(other, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if list := of(t, open(t, dir)); len(list) != 0 {
		t.Errorf("the run that trained longest ago still has its file: %d", len(list))
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != maxRuns {
		t.Errorf("%d files, %v", len(left), err)
	}
}

// A line that a crash has cut short costs that training alone.
func TestTornLine(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	for round := uint64(1); round <= 3; round++ {
		add, end := l.Begin(run, round, 1)
		add(said(1, loss(1)))
		end()
		if round == 2 {
			if info, err := os.Stat(path(dir, run)); err != nil || os.Truncate(path(dir, run), info.Size()-9) != nil {
				t.Fatal(err)
			}
		}
	}
	if list := of(t, l); len(list) != 2 || list[0].Round != 1 || list[1].Round != 3 {
		t.Errorf("%+v", list)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"round":1,"attempt":1,"from":0,"steps":9,"points":[{"step":1,"time":"2026-01-02T03:04:05Z","metrics":{"loss":1}}]}` + "\n"))
	f.Add([]byte(`{"round":1,"points":[{"step":2},{"step":1}]}` + "\n{}\n\n[1"))
	f.Add([]byte(strings.Repeat("x", 100)))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, _, err := read(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if len(list) > maxTrainings {
			t.Fatalf("%d trainings", len(list))
		}
		var again []*series
		for _, s := range list {
			if len(s.Points) == 0 || len(s.Points) > maxPoints {
				t.Fatalf("%d points", len(s.Points))
			}
			again = append(again, &series{TrainingSteps: s})
		}
		if back, lines, err := read(bytes.NewReader(whole(again))); err != nil || lines != len(list) || len(back) != len(list) {
			t.Fatalf("%d trainings, written and read %d of %d lines, %v", len(list), len(back), lines, err)
		}
	})
}
