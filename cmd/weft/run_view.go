package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
)

const (
	barWidth      = 24
	quietAfter    = time.Minute // without a word of the trainer
	historyShown  = 8           // newest rounds
	runsShown     = 5           // newest of those that are over
	sitesAcross   = 4           // sites that get a column of their own
	sitesMarked   = 3           // sites of a mark that are named
	lossDecimals  = 4
	metricSpacing = "  "
)

// runsText draws the run of that ID; without one all: those that go on in full, or else the one that ended last, then the
// newest of the others in a line each.
func runsText(out *term.Out, s *api.Status, id string) string {
	var past, live []*api.RunStatus
	for i := range s.Runs {
		switch r := &s.Runs[i]; {
		case id != "" && r.ID.String() == id:
			return "\n" + runText(out, r)
		case over(r.Phase):
			past = append(past, r)
		default:
			live = append(live, r)
		}
	}
	switch {
	case len(s.Runs)+len(s.Pending)+len(s.NotOpen) == 0 && s.Observes:
		return "\nno runs\n"
	case id != "" || len(s.Runs)+len(s.Pending)+len(s.NotOpen) == 0:
		return "\nno runs; open one with `weft run start FILE`\n"
	case len(live) == 0 && len(past) > 0:
		live, past = past[len(past)-1:], past[:len(past)-1]
	}
	var b strings.Builder
	for _, r := range live {
		b.WriteString("\n" + runText(out, r))
	}
	if len(past) > 0 {
		b.WriteString("\n")
	}
	more := max(0, len(past)-runsShown)
	for _, r := range slices.Backward(past[more:]) {
		b.WriteString(runHead(out, r))
	}
	if more > 0 {
		fmt.Fprintf(&b, "%s%s before these: weft run list\n", strings.Repeat(" ", indent), term.Plural(more, "run"))
	}
	return b.String()
}

// runHead says in a line where a run stands.
func runHead(out *term.Out, r *api.RunStatus) string {
	return fmt.Sprintf("%s%s  %s  %s  %s\n", out.Dim("run     "), out.Bold(r.Name), r.ID.Short(), roundText(r), phase(out, r.Phase))
}

// roundText says how far a run is: in which round, or, when it is over, after how many.
func roundText(r *api.RunStatus) string {
	if over(r.Phase) {
		return fmt.Sprintf("%d of %d rounds", r.Done, r.Rounds)
	}
	return fmt.Sprintf("round %d of %d", r.Round, r.Rounds)
}

// runText draws a run: where it stands, then its newest rounds.
func runText(out *term.Out, r *api.RunStatus) string {
	var b strings.Builder
	b.WriteString(runHead(out, r))
	for _, site := range slices.Sorted(maps.Keys(r.Troubles)) {
		b.WriteString(strings.Repeat(" ", indent) + hanging(out, site+" says: "+r.Troubles[site].String(), out.Bad))
	}
	switch r.Phase {
	case api.PhaseTraining:
		what := ""
		switch {
		case r.Measures:
			what = "measures the model before it trains: "
		case r.Trains > 0 && r.Trains < r.Round:
			what = fmt.Sprintf("round %d, late: ", r.Trains)
		}
		fmt.Fprintf(&b, "        %s%s  %d/%d%s\n", what, out.Busy(term.Bar(barWidth, r.Step, r.Steps)), r.Step, r.Steps, metricsText(r.Metrics))
	case api.PhaseDone, api.PhaseStopped, api.PhaseDeclined:
	default:
		if r.Waits == "" && len(r.Updates) > 0 {
			fmt.Fprintf(&b, "        updates here: %d of %d (%s)\n", len(r.Updates), len(r.Takes), strings.Join(r.Updates, ", "))
		}
	}
	if text := skippedText(r.Skipped); text != "" {
		b.WriteString(strings.Repeat(" ", indent) + hanging(out, "skipped by "+text, nil))
	}
	if text := trainerText(r); text != "" {
		b.WriteString(strings.Repeat(" ", indent) + hanging(out, text, nil))
	}
	for _, text := range termsTexts(r.Spec) {
		b.WriteString(strings.Repeat(" ", indent) + hanging(out, text, nil))
	}
	if r.Unknown != "" {
		b.WriteString(strings.Repeat(" ", indent) + hanging(out, "this weft takes no part: "+r.Unknown, nil))
	}
	if r.Stop != "" {
		b.WriteString(strings.Repeat(" ", indent) + hanging(out, "ended early, as "+r.Stop, nil))
	}
	if terms, err := r.Spec.Selection.Read(); r.Early && err == nil {
		b.WriteString(strings.Repeat(" ", indent) + hanging(out, "ended early: "+term.Plural(terms.StopAfter, "model")+" in a row were no better than the best before them", nil))
	}
	if text := bestText(r); text != "" {
		b.WriteString(strings.Repeat(" ", indent) + hanging(out, text, nil))
	}
	if r.Newest != nil {
		for _, text := range r.Newest.Warnings() {
			b.WriteString(strings.Repeat(" ", indent) + hanging(out, out.Bad("warning: ")+text, nil))
		}
	}
	if terms, err := r.Spec.Selection.Read(); r.Unmeasured && err == nil && terms.Cross != "" {
		b.WriteString(strings.Repeat(" ", indent) + "the sites measure the last model, and each other's last updates\n")
	} else if r.Unmeasured {
		b.WriteString(strings.Repeat(" ", indent) + "the sites measure the last model\n")
	}
	if text := cmp.Or(r.Waits, r.Awaits); text != "" {
		b.WriteString(strings.Repeat(" ", indent) + hanging(out, "waits for "+text, nil))
	}
	for _, m := range r.Missing {
		b.WriteString(strings.Repeat(" ", indent) + hanging(out, fmt.Sprintf("%s is in none of the last %d seals, since round %d: %s", m.Site, m.Seals, m.Since, m.Why), out.Bad))
	}
	if len(r.History) > 0 {
		rows := withFigures(r)
		rows = rows[max(0, len(rows)-historyShown):]
		b.WriteString(historyText(out, r, rows, lossKey(r.History)))
		if more := rows[0].Round; more > 1 {
			fmt.Fprintf(&b, "%s before these: weft run history\n", term.Plural(int(more)-1, "round"))
		}
	}
	return b.String()
}

// termsTexts say what a run does that most do not: how it makes its models, what stays at the sites, what they measure.
func termsTexts(s *ledger.RunSpec) (texts []string) {
	if s == nil {
		return nil
	}
	if text := ruleText(s); text != "" {
		texts = append(texts, text)
	}
	if beside, err := s.Constants.Read(); err == nil && len(beside.Local) > 0 {
		texts = append(texts, "stays at each site: "+strings.Join(quoted(beside.Local), ", "))
	}
	if beside, err := s.Constants.Read(); err == nil && len(beside.Frozen) > 0 {
		texts = append(texts, fmt.Sprintf("for the frozen model %s, %s", beside.Frozen.Digest().Short(), term.Plural(len(beside.Frozen), "file")))
	}
	if terms, err := s.Selection.Read(); err == nil && terms.Cross != "" {
		texts = append(texts, "the sites measure each other's last updates, where config.yaml permits it")
	}
	return texts
}

// quoted returns texts that others have written, safe to show.
func quoted(list []string) (safe []string) {
	for _, s := range list {
		safe = append(safe, strconv.Quote(s))
	}
	return safe
}

// ruleText says how a run makes its models, if not by the mean of parameters: its rule, its outer step and their parameters.
func ruleText(s *ledger.RunSpec) string {
	if s == nil || s.Plain() {
		return ""
	}
	method, _ := s.Strategy.Read() // that it cannot be read is told where the site takes no part
	return "rule " + s.Rule + prefixed(", ", method.String())
}

// prefixed returns a text with something before it, nothing for none.
func prefixed(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}

// skippedText names the sites that offer nothing in a round, with their reasons, which others have written.
func skippedText(reasons map[string]string) string {
	var parts []string
	for _, site := range slices.Sorted(maps.Keys(reasons)) {
		parts = append(parts, fmt.Sprintf("%s (%q)", site, reasons[site]))
	}
	return strings.Join(parts, ", ")
}

// trainerText tells a trainer that has not begun, or that hangs, from one that works.
func trainerText(r *api.RunStatus) string {
	quiet := time.Since(r.Heard)
	switch {
	case r.Phase != api.PhaseTraining:
		return ""
	case r.TrainerWaits != "":
		return r.TrainerWaits
	case r.Queued:
		return "waits for its turn: the trainer works for another run"
	case r.Heard.IsZero():
		return "the trainer has not begun yet"
	case quiet > quietAfter:
		text := "nothing heard of the trainer for " + term.Duration(quiet.Truncate(time.Second))
		if r.Process > 0 {
			text += fmt.Sprintf("; if it hangs, end process %d: it is started again", r.Process)
		}
		return text
	}
	return ""
}

func phase(out *term.Out, p api.Phase) string {
	switch p {
	case api.PhaseDone:
		return out.Good(string(p))
	case api.PhaseStopped, api.PhaseDeclined:
		return out.Bad(string(p))
	}
	return out.Busy(string(p))
}

// historyText is a table of rounds of a run, with each site's loss, or another metric, where there are few sites.
func historyText(out *term.Out, run *api.RunStatus, rounds []api.RoundStatus, key string) string {
	across := sitesOf(run)
	if len(across) > sitesAcross || key == "" {
		across = nil
	}
	measured := evalKey(run, rounds)
	if measured == key {
		measured = ""
	}
	columns := []term.Column{{Name: "round", Right: true}, {Name: "sites", Right: true}}
	for _, s := range across {
		columns = append(columns, term.Column{Name: s, Right: true, Shrink: true})
	}
	if across == nil && key != "" {
		columns = append(columns, term.Column{Name: key + ", mean of sites", Right: true, Shrink: true})
	}
	if measured != "" {
		columns = append(columns, term.Column{Name: measured + ", all", Right: true, Shrink: true})
	}
	t := term.NewTable(append(columns, term.Column{Name: "samples", Right: true}, term.Column{Name: "share %", Right: true, Optional: true}, term.Column{Name: "norm", Right: true, Optional: true}, term.Column{Name: "took", Right: true}, term.Column{Name: "model"}, term.Column{Name: "marks", Optional: true, Wrap: true})...)
	for _, r := range rounds {
		cells := []string{strconv.FormatUint(r.Round, 10), strconv.Itoa(len(r.Sites))}
		for _, s := range across {
			v, ok := r.Metrics[s][key]
			cells = append(cells, lossText(v, ok))
		}
		if across == nil && key != "" {
			mean, _, _ := spread(r.Metrics, key)
			cells = append(cells, lossText(mean, !math.IsNaN(mean)))
		}
		if measured != "" {
			v, sites := comparedAs(run, r.Round, measured)
			cells = append(cells, lossText(v, sites > 0))
		}
		took := "-" // measured by an earlier life of the node
		if r.Took > 0 {
			took = term.Duration(r.Took)
		}
		t.Row(append(cells, strconv.FormatUint(r.Samples, 10), sharesText(&r, across), normsText(&r, across), took, modelText(run, &r), marksText(run, &r))...)
	}
	text := t.Text(out.Columns(), out.Dim)
	if across != nil {
		text = out.Dim(key+" by site") + "\n" + text
	}
	return text
}

// sharesText is each site's part of a round's weight, or, if the sites have no columns, the largest.
func sharesText(r *api.RoundStatus, sites []string) string {
	return perSite(r.Shares, sites, func(v float64) string { return strconv.FormatFloat(100*v, 'f', 0, 64) })
}

// normsText is how long each site's change is beside the median's, or, if the sites have no columns, the largest of that.
func normsText(r *api.RoundStatus, sites []string) string {
	return perSite(r.NormRatios, sites, func(v float64) string { return strconv.FormatFloat(v, 'g', 2, 64) })
}

func perSite(of map[string]float64, sites []string, text func(float64) string) string {
	if len(of) == 0 {
		return "" // a table in which no round says it has no column for it
	}
	if sites == nil {
		return "max " + text(slices.Max(slices.Collect(maps.Values(of))))
	}
	parts := make([]string, len(sites))
	for i, site := range sites {
		if v, ok := of[site]; ok {
			parts[i] = text(v)
		} else {
			parts[i] = "-"
		}
	}
	return strings.Join(parts, "/")
}

// marksText says whether a round's model is the best, and names the sites whose updates are unusual; many of a kind are counted.
func marksText(run *api.RunStatus, r *api.RoundStatus) string {
	sites := map[string][]string{}
	for _, s := range r.Sites {
		for _, mark := range r.Marks(s) {
			sites[mark] = append(sites[mark], s)
		}
	}
	var parts []string
	if run.Best != nil && run.Best.Round == r.Round {
		parts = append(parts, "best")
	}
	for _, mark := range slices.Sorted(maps.Keys(sites)) {
		who := strings.Join(sites[mark], " ")
		if n := len(sites[mark]); n > sitesMarked {
			who = strconv.Itoa(n) + " sites"
		}
		parts = append(parts, mark+": "+who)
	}
	if n := len(r.Skipped); n > sitesMarked {
		parts = append(parts, fmt.Sprintf("skipped: %d sites", n))
	} else if n > 0 {
		parts = append(parts, "skipped: "+skippedText(r.Skipped))
	}
	for n, site := range slices.Sorted(maps.Keys(r.Troubles)) {
		if n == sitesMarked && len(r.Troubles) > sitesMarked {
			parts = append(parts, fmt.Sprintf("and trouble at %d more sites", len(r.Troubles)-n))
			break
		}
		parts = append(parts, "none of "+site+": "+r.Troubles[site].String())
	}
	return strings.Join(parts, ", ")
}

// lossKey returns the metric to show: the first of the usual names that the rounds have.
func lossKey(rounds []api.RoundStatus) string {
	for _, key := range []string{"loss", "train_loss", "val_loss", "eval_loss", "accuracy"} {
		for _, r := range rounds {
			for _, m := range r.Metrics {
				if _, ok := m[key]; ok {
					return key
				}
			}
		}
	}
	return ""
}

func lossText(v float64, ok bool) string {
	switch {
	case !ok:
		return "-"
	case math.Abs(v) >= 1000:
		return metricText(v)
	}
	return strconv.FormatFloat(v, 'f', lossDecimals, 64)
}

// spread returns the mean, the least and the greatest of a metric over the sites, NaN if none has it.
func spread(metrics map[string]map[string]float64, key string) (mean, low, high float64) {
	var values []float64
	for _, site := range slices.Sorted(maps.Keys(metrics)) { // sums depend on their order
		if v, ok := metrics[site][key]; ok {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return math.NaN(), math.NaN(), math.NaN()
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values)), slices.Min(values), slices.Max(values)
}

// sitesOf returns the sites that take part in a run, or whose updates count in it, in order.
func sitesOf(run *api.RunStatus) []string {
	sites := slices.Clone(run.Takes)
	for _, r := range run.History {
		sites = append(sites, r.Sites...)
	}
	slices.Sort(sites)
	return slices.Compact(sites)
}

// modelText names a round's model, or says that it can no longer be had here; the newest may be on its way.
func modelText(run *api.RunStatus, r *api.RoundStatus) string {
	if r.Held || r.Round == run.Done {
		return r.Model.Short()
	}
	return "not kept"
}

// metricsText lists metrics by name, a few at most.
func metricsText(m map[string]float64) string {
	const shown = 3
	s := ""
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i == shown {
			break
		}
		s += metricSpacing + k + " " + metricText(m[k])
	}
	return s
}

// metricText writes a metric in four digits or so.
func metricText(v float64) string {
	if math.Abs(v) >= 1000 && !math.IsInf(v, 0) {
		return term.Count(v)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
