package train

import (
	"testing"
	"time"
)

// retired waits until a trainer's process for a run is gone.
func retired(t *testing.T, e *Exec, run string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); e.Process(run) != 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the process is kept")
		}
	}
}

// An idle process ends with its run, and no other's end is its own.
func TestExecOver(t *testing.T) {
	e := play(t, "loop")
	e.cfg.StopGrace = time.Minute
	e.Over("bafy") // there is none yet
	first, err := ran(e, t.Context(), newTask(t, Train), ignore)
	if err != nil {
		t.Fatal(err)
	}
	e.Over("another")
	second, err := ran(e, t.Context(), newTask(t, Train), ignore)
	if err != nil || second.Metrics["pid"] != first.Metrics["pid"] {
		t.Fatalf("the end of another run: process %v after %v, %v", second.Metrics["pid"], first.Metrics["pid"], err)
	}
	e.Over("bafy")
	retired(t, e, "bafy")
	if third, err := ran(e, t.Context(), newTask(t, Evaluate), ignore); err != nil || third.Metrics["pid"] == first.Metrics["pid"] {
		t.Errorf("what is asked of a run that is over: %v, %v", third.Metrics, err)
	}
}

// One that was idle for as long as the site says ends too, unless it got a task meanwhile.
func TestExecIdle(t *testing.T) {
	e := play(t, "loop")
	e.cfg.StopGrace, e.cfg.Idle = time.Minute, 20*time.Millisecond
	if _, err := ran(e, t.Context(), newTask(t, Train), ignore); err != nil {
		t.Fatal(err)
	}
	retired(t, e, "bafy")
	e.cfg.Idle = time.Hour
	if _, err := ran(e, t.Context(), newTask(t, Train), ignore); err != nil {
		t.Fatal(err)
	}
	s := e.seats.all[0]
	e.expire(s, s.turn.Load()-1) // the timer of an earlier turn
	if pid := e.Process("bafy"); pid == 0 {
		t.Error("a process that had a task since is ended")
	}
	e.expire(s, s.turn.Load())
	retired(t, e, "bafy")
}

func TestPatience(t *testing.T) {
	for _, c := range []struct {
		launches          bool
		grace, quiet, end time.Duration
	}{
		{false, 0, 5 * time.Second, 20 * time.Second},
		{true, 0, 10 * time.Second, 30 * time.Second},
		{true, time.Minute, 10 * time.Second, time.Minute},
		{false, time.Second, time.Second, time.Second},
	} {
		if quiet, end := patience(c.launches, c.grace); quiet != c.quiet || end != c.end {
			t.Errorf("%+v: %v, %v", c, quiet, end)
		}
	}
}
