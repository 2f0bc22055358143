package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
)

func testStatus() *api.Status {
	cid := func(s string) block.CID { return block.Of(s).CID }
	losses := func(v float64) map[string]map[string]float64 {
		return map[string]map[string]float64{"hospital-a": {"loss": v}, "hospital-b": {"loss": v + 0.5}, "hospital-c": {}}
	}
	s := &api.Status{
		Site: "hospital-a", ID: "id", Mesh: cid("mesh"), MeshName: "letters", Faults: ledger.Byzantine, Sites: 3, Quorum: 3, Up: 3,
		Height: 5, Head: cid("head"), Sent: 1234, Received: 5_000_000, Memory: 60_000_000, Room: 42_000_000_000, Uptime: 75*time.Second + 3,
		Runs: []api.RunStatus{{
			ID: cid("run"), Name: "letters", Round: 3, Rounds: 5, Done: 2, Phase: api.PhaseTraining, Step: 9, Steps: 20,
			Metrics: map[string]float64{"loss": 1.891, "tokens_per_second": 7731.2}, Spec: &ledger.RunSpec{},
			Takes: []string{"hospital-a", "hospital-b", "hospital-c"}, Heard: time.Now(),
			History: []api.RoundStatus{
				{Round: 1, Model: cid("1"), Sites: []string{"hospital-a", "hospital-b", "hospital-c"}, Samples: 480, Metrics: losses(2)},
				{Round: 2, Model: cid("2"), Sites: []string{"hospital-a", "hospital-b"}, Samples: 320, Metrics: losses(1.9), Took: 4200 * time.Millisecond},
			},
		}},
	}
	s.Runs[0].Newest = &s.Runs[0].History[1]
	return s
}

func TestStatusText(t *testing.T) {
	out := term.New(&bytes.Buffer{})
	out.Wide = term.Width
	s := testStatus()
	got := statusText(out, s, "")
	want := `site    hospital-a  ` + s.ID.String() + `
mesh    letters  ` + s.Mesh.Short() + `  faults: byzantine  3 of 3 sites up
        goes on with 0 sites absent, and 0 lying
ledger  height 5  head ` + s.Head.Short() + `
node    sent 1.2 kB, received 5.0 MB  memory 60.0 MB  up 1m15s
disk    42.0 GB free for models

run     letters  ` + s.Runs[0].ID.Short() + `  round 3 of 5  training
        ██████████▓░░░░░░░░░░░░░  9/20  loss 1.891  tokens_per_second 7.7k
loss by site
round  sites  hospital-a  hospital-b  hospital-c  samples  took  model
`
	if strings.Count(got, "not kept") != 1 {
		t.Error("the newest model may be on its way")
	}
	if !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for line := range strings.Lines(got) {
		if ansi.StringWidth(strings.TrimSuffix(line, "\n")) > term.Width {
			t.Errorf("wider than %d: %s", term.Width, line)
		}
	}
	for _, text := range []string{"2.0000", "2.5000", "1.9000", "4.2s", "not kept", s.Runs[0].History[1].Model.Short()} {
		if !strings.Contains(got, text) {
			t.Errorf("%q is missing in\n%s", text, got)
		}
	}
}

// Runs that are over take a line, unless none goes on: then the last is shown.
func TestStatusOfManyRuns(t *testing.T) {
	out := term.New(&bytes.Buffer{})
	s := testStatus()
	live := s.Runs[0]
	s.Runs = nil
	for i := range 8 {
		r := live
		r.ID, r.Name, r.Phase = block.Of(i).CID, fmt.Sprintf("past-%d", i), api.PhaseDone
		s.Runs = append(s.Runs, r)
	}
	all := statusText(out, s, "")
	if strings.Count(all, "loss by site") != 1 || strings.Contains(all, "past-1") || !strings.Contains(all, runText(out, &s.Runs[7])) || !strings.HasSuffix(all, "2 runs before these: weft run list\n") {
		t.Errorf("past runs only:\n%s", all)
	}
	s.Runs = slices.Insert(s.Runs, 3, live)
	if all = statusText(out, s, ""); strings.Count(all, "loss by site") != 1 || !strings.Contains(all, runText(out, &live)) || strings.Index(all, runHead(out, &live)) > strings.Index(all, "past-7") {
		t.Errorf("one goes on:\n%s", all)
	}
	if one := statusText(out, s, s.Runs[1].ID.String()); !strings.HasSuffix(one, "\n"+runText(out, &s.Runs[1])) || strings.Contains(one, "past-2") {
		t.Errorf("one is named:\n%s", one)
	}
}

// A trainer that hangs is told from one that works.
func TestStatusTellsQuietTrainer(t *testing.T) {
	out := term.New(&bytes.Buffer{})
	s := testStatus()
	s.Runs[0].Heard = time.Now().Add(-10 * time.Second)
	if got := statusText(out, s, ""); strings.Contains(got, "nothing heard") {
		t.Errorf("after 10 s:\n%s", got)
	}
	s.Runs[0].Heard = time.Time{}
	if got := statusText(out, s, ""); !strings.Contains(got, "the trainer has not begun yet") {
		t.Errorf("before it has the task:\n%s", got)
	}
	s.Runs[0].Heard = time.Now().Add(-20*time.Minute - time.Second/2)
	if got := statusText(out, s, ""); !strings.Contains(got, "nothing heard of the trainer for 20m0") {
		t.Errorf("after 20 minutes:\n%s", got)
	}
	s.Runs[0].Process = 4711
	if got := statusText(out, s, ""); !strings.Contains(got, "; if it hangs, end process 4711: it is started again") {
		t.Errorf("of a process:\n%s", got)
	}
}

func TestStatusTellsTrouble(t *testing.T) {
	out := term.New(&bytes.Buffer{})
	s := testStatus()
	s.Up, s.Problem, s.Hint, s.Named = 2, "disk full", "free some", []string{"hospital-c"}
	s.Pending = []api.PendingRun{{Run: s.Runs[0].ID, Spec: &ledger.RunSpec{Name: "next", Rounds: 1}}}
	s.Runs = nil
	got := statusText(out, s, "")
	for _, text := range []string{"2 of 3 sites up, a quorum is 3", "disk full", "\n        hint: free some\n", "hospital-c signed two", "next, 1 round: take part with `weft run accept"} {
		if !strings.Contains(got, text) {
			t.Errorf("%q is missing in\n%s", text, got)
		}
	}
}

// An operator sees what rule a run has before taking part in it.
func TestStatusTellsRule(t *testing.T) {
	out := term.New(&bytes.Buffer{})
	s := testStatus()
	clip := ledger.RunSpec{Name: "next", Rounds: 2, Rule: "clip", Strategy: ledger.NewStrategy(ledger.Method{Params: map[string]string{"norm": "1.5"}})}
	s.Runs[0].Spec = &clip
	s.Pending = []api.PendingRun{{Run: s.Runs[0].ID, Spec: &clip}}
	got := statusText(out, s, "")
	for _, text := range []string{"\n        rule clip, norm 1.5\n", "next, 2 rounds, rule clip, norm 1.5: take part with"} {
		if !strings.Contains(got, text) {
			t.Errorf("%q is missing in\n%s", text, got)
		}
	}
}

func TestStatusTellsUnknown(t *testing.T) {
	out := term.New(&bytes.Buffer{})
	s := testStatus()
	s.Runs[0].Phase, s.Runs[0].Unknown = api.PhaseDeclined, `unknown rule "clip"`
	if got := statusText(out, s, ""); !strings.Contains(got, `this weft takes no part: unknown rule "clip"`) {
		t.Errorf("got\n%s", got)
	}
}

func TestStatusLine(t *testing.T) {
	s := testStatus()
	want := "height 5, 3 of 3 sites up, letters: round 3 of 5 training, newest model " + s.Runs[0].History[1].Model.Short()
	if got := statusLine(s, s.Runs[0].ID.String()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A run that has ended stays in the line, so that its end is told.
func TestStatusLineTellsTheEnd(t *testing.T) {
	s := testStatus()
	s.Runs[0].Phase = api.PhaseDone
	first := s.Runs[0]
	if got := statusLine(s, ""); !strings.Contains(got, "letters: 2 of 5 rounds done") {
		t.Errorf("the end is not told: %s", got)
	}
	second := first
	second.ID, second.Name, second.Phase = block.Of("second").CID, "second", api.PhaseTraining
	s.Runs = append(s.Runs, second)
	if got := statusLine(s, ""); !strings.Contains(got, "letters: 2 of 5 rounds done") || !strings.Contains(got, "second: round 3 of 5 training") {
		t.Errorf("got %s", got)
	}
	s.Runs[1].Phase = api.PhaseStopped
	if got := statusLine(s, ""); strings.Contains(got, "letters") || !strings.Contains(got, "second: 2 of 5 rounds stopped") {
		t.Errorf("got %s", got)
	}
}

func TestPickRun(t *testing.T) {
	s := testStatus()
	s.Runs = append(s.Runs, api.RunStatus{ID: block.Of("old").CID, Name: "old", Phase: api.PhaseDone, Spec: &ledger.RunSpec{}})
	if got := candidates(s, runActive); len(got) != 1 || got[0].name != "letters" {
		t.Errorf("active: %v", got)
	}
	if got := candidates(s, runAny); len(got) != 2 {
		t.Errorf("any: %v", got)
	}
	if got := candidates(s, runAnswerable); len(got) != 0 {
		t.Errorf("answerable: %v", got)
	}
	id := s.Runs[1].ID
	for _, name := range []string{"old", id.String(), id.Short()} {
		if got := named(candidates(s, runAny), name); len(got) != 1 || got[0].id != id {
			t.Errorf("%s names %v", name, got)
		}
	}
	if got := named(candidates(s, runAny), id.String()[55:]); len(got) != 0 {
		t.Errorf("four characters name %v", got)
	}
}

// What goes wrong at other sites stands below the run, and, of rounds, in the marks of the history and in a row of the CSV; what a
// site has written is quoted.
func TestTroubleText(t *testing.T) {
	out := term.New(&bytes.Buffer{})
	s := testStatus()
	r := &s.Runs[0]
	told := map[string]api.Trouble{"hospital-c": {Classes: []ledger.TroubleClass{ledger.DiskFull, ledger.TrainingFails}, Text: "no \x1b[31mroom"}}
	r.Troubles, r.History[1].Troubles = told, told
	got := strings.Join(strings.Fields(statusText(out, s, "")), " ")
	for _, text := range []string{"hospital-c says: its disk is full; its training fails (\"no \\x1b[31mroom\")", "none of hospital-c: its disk is full"} {
		if !strings.Contains(got, text) {
			t.Errorf("%q is not in %s", text, got)
		}
	}
	var b bytes.Buffer
	if err := writeHistory(&b, r.History, nil); err != nil || !strings.Contains(b.String(), "\n2,hospital-c,0,0,0,trouble:disk+training,") {
		t.Errorf("%v\n%s", err, b.String())
	}
}
