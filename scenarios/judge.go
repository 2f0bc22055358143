package scenarios

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Judge holds a recording to its scenario's expectations and notes the verdicts in it.
func Judge(r *Recording) {
	e := &r.Scenario.Expect
	j := &judge{r: r}
	if e.Rounds > 0 {
		least := j.least()
		j.say(fmt.Sprintf("%d rounds at every honest site", e.Rounds), fmt.Sprint(least), least >= uint64(e.Rounds))
	}
	if e.Finished {
		least := j.least()
		j.say(fmt.Sprintf("all %d rounds at every honest site", j.all()), fmt.Sprint(least), least >= j.all())
	}
	if e.SameModel {
		j.sameModel()
	}
	j.losses(e)
	if e.BytesBelow > 0 {
		most, who := int64(0), ""
		for _, s := range r.Sites {
			if b := s.Sent.Bytes(); b > most && s.Adversary == "" {
				most, who = b, s.Name
			}
		}
		j.say("every site sends less than "+megabytes(int64(e.BytesBelow)), megabytes(most)+" by "+who, most < int64(e.BytesBelow))
	}
	if e.TimeBelow > 0 {
		j.within(time.Duration(e.TimeBelow))
	}
	for _, s := range e.Stalled {
		within, after := j.commits(s)
		j.say(fmt.Sprintf("no round ends from %v to %v, and one does afterwards", s.From, s.To),
			fmt.Sprintf("%d and %d", within, after), within == 0 && after > 0)
	}
	for _, s := range e.Progress {
		within, _ := j.commits(s)
		j.say(fmt.Sprintf("a round ends from %v to %v", s.From, s.To), fmt.Sprint(within), within > 0)
	}
	if len(e.Liars) > 0 {
		j.liars(e.Liars)
	}
	r.Verdicts = j.verdicts
}

// judge is a recording that is being judged.
type judge struct {
	r        *Recording
	verdicts []Verdict
}

func (j *judge) say(expected, got string, held bool) {
	j.verdicts = append(j.verdicts, Verdict{expected, got, held})
}

// least is the fewest rounds of an honest site that is up.
func (j *judge) least() uint64 {
	least := uint64(math.MaxUint64)
	for _, s := range j.r.Sites {
		if s.Adversary == "" && s.Up && !s.Out {
			least = min(least, s.Rounds)
		}
	}
	if least == math.MaxUint64 {
		return 0
	}
	return least
}

// all is how many rounds the run has: as many as its description says, or as it had when it ended early.
func (j *judge) all() uint64 {
	for _, s := range j.r.Sites {
		if s.Adversary == "" && s.Early {
			return s.Rounds
		}
	}
	return uint64(j.r.Scenario.Run.Rounds)
}

// within says whether the run came to its end in less than a time.
func (j *judge) within(most time.Duration) {
	expected, took := "it takes less than "+Duration(most).String(), short(j.r.Took)
	if all := j.all(); j.least() < all {
		j.say(expected, fmt.Sprintf("not finished after %s: %d of %d rounds", took, j.least(), all), false)
		return
	}
	j.say(expected, took, j.r.Took < most)
}

// sameModel compares every round's model at all honest sites that have it.
func (j *judge) sameModel() {
	var longest *Record
	for i := range j.r.Sites {
		if s := &j.r.Sites[i]; s.Adversary == "" && (longest == nil || len(s.Models) > len(longest.Models)) {
			longest = s
		}
	}
	got, held := "no models", false
	if longest != nil && len(longest.Models) > 0 {
		got, held = fmt.Sprintf("the same %d models everywhere", len(longest.Models)), true
	}
	for _, s := range j.r.Sites {
		for n, m := range s.Models {
			if s.Adversary == "" && m != longest.Models[n] && held {
				got, held = fmt.Sprintf("round %d: %s has %s, %s has %s", n+1, longest.Name, longest.Models[n].Short(), s.Name, m.Short()), false
			}
		}
	}
	j.say("the same model at every honest site, round by round", got, held)
}

// losses compares the last federated model with what was expected, and with training alone.
func (j *judge) losses(e *Expect) {
	final := math.NaN()
	if c := j.r.Curve(Federated, ""); c != nil && len(c.Points) > 0 {
		final = c.Points[len(c.Points)-1].All
	}
	if e.LossBelow > 0 {
		j.say(fmt.Sprintf("loss below %.3f", e.LossBelow), fmt.Sprintf("%.3f", final), final < e.LossBelow)
	}
	if e.LossAbove > 0 {
		j.say(fmt.Sprintf("loss above %.3f", e.LossAbove), fmt.Sprintf("%.3f", final), final > e.LossAbove)
	}
	if e.Better {
		alone := j.alone()
		j.say("the federated model is better than those trained alone, on all kinds of text",
			fmt.Sprintf("loss %.3f, alone %.3f in the mean", final, alone), final < alone)
	}
}

// alone is the mean loss of what the honest sites train without the mesh. A liar's does not count: the mesh is not for it.
func (j *judge) alone() float64 {
	sum, n := 0.0, 0.0
	for _, s := range j.r.Sites {
		if c := j.r.Curve(Alone, s.Name); s.Adversary == "" && c != nil && len(c.Points) > 0 {
			sum, n = sum+c.Points[len(c.Points)-1].All, n+1
		}
	}
	return sum / n
}

// commits counts the rounds that end within a span, and after it.
func (j *judge) commits(s Span) (within, after int) {
	for _, at := range j.r.RoundEnds() {
		switch {
		case at > time.Duration(s.To):
			after++
		case at >= time.Duration(s.From):
			within++
		}
	}
	return within, after
}

func (j *judge) liars(names []string) {
	var want []string
	for _, name := range names {
		for _, i := range j.r.Scenario.Find(name) {
			want = append(want, j.r.Sites[i].Name)
		}
	}
	slices.Sort(want)
	got, held := "all of them by every honest site", true
	for _, s := range j.r.Sites {
		named := slices.Sorted(slices.Values(s.Named))
		if s.Adversary == "" && s.Up && !s.Out && !slices.Equal(named, want) {
			got, held = fmt.Sprintf("%s names %s", s.Name, list(named)), false
		}
	}
	j.say("named as liars: "+list(want), got, held)
}

func list(names []string) string {
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, ", ")
}

func megabytes(n int64) string { return fmt.Sprintf("%.2f MB", float64(n)/1e6) }

func short(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }
