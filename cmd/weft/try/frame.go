package try

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/api"
)

const (
	lossesAcross = 4 // sites that get a loss column of their own
	roundsShown  = 12
	eventsShown  = 3
)

// frame draws the whole screen.
func (sc *Screen) frame() string {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	out, g := sc.out, sc.mesh
	var b strings.Builder
	fmt.Fprintf(&b, "%s  mesh %s  %s, a quorum is %d  %s\n", out.Bold(sc.cfg.Heading), g.Block().CID.Short(),
		term.Plural(len(g.Sites), "site"), g.Roster().Quorum(), term.Duration(sc.now().Sub(sc.begun).Truncate(time.Second)))
	fmt.Fprintf(&b, "%s\n\n", out.Dim(sc.cfg.About))
	b.WriteString(sc.siteTable().Text(out.Columns(), out.Dim))
	if len(sc.rounds) > 0 {
		b.WriteString("\n" + sc.roundTable().Text(out.Columns(), out.Dim))
	}
	for _, text := range sc.events[max(0, len(sc.events)-eventsShown):] {
		b.WriteString("\n" + out.Bad(text))
	}
	if sc.status != "" {
		b.WriteString("\n" + sc.status)
		if sc.all > 0 {
			b.WriteString("  " + out.Busy(term.Bar(barWidth, uint64(sc.done), uint64(sc.all))))
		}
	}
	b.WriteString("\n")
	return b.String()
}

func (sc *Screen) siteTable() *term.Table {
	out := sc.out
	t := term.NewTable(term.Column{Name: "site", Shrink: true}, term.Column{Name: "data", Optional: true}, term.Column{Name: "round", Right: true},
		term.Column{Name: "phase"}, term.Column{Name: "progress"}, term.Column{Name: "tokens/s", Right: true, Optional: true},
		term.Column{Name: "sent", Right: true}, term.Column{Name: "received", Right: true})
	for i, s := range sc.cfg.Sites {
		st := &sc.states[i]
		phase, speed := out.Busy(fmt.Sprintf("%-10s", st.phase)), ""
		bar := strings.Repeat(" ", barWidth/2)
		switch {
		case st.down:
			phase = out.Bad(fmt.Sprintf("%-10s", "killed"))
		case st.phase == api.PhaseTraining && st.steps > 0:
			bar = out.Busy(term.Bar(barWidth/2, st.step, st.steps))
		case st.phase == api.PhaseDone:
			phase = out.Good(fmt.Sprintf("%-10s", st.phase))
		}
		if st.speed > 0 {
			speed = fmt.Sprintf("%6s", term.Count(st.speed))
		}
		t.Row(s.Name, s.Has, fmt.Sprintf("%d/%d", st.round, sc.cfg.Run.Rounds), phase, bar, speed, term.Bytes(st.sent), term.Bytes(st.got))
	}
	return t
}

func (sc *Screen) roundTable() *term.Table {
	across := sc.cfg.Sites[:min(len(sc.cfg.Sites), lossesAcross)]
	loss := trained(&sc.rounds[0]).lossOf()
	columns := []term.Column{{Name: "round", Right: true}}
	for _, s := range across {
		columns = append(columns, term.Column{Name: strings.TrimSpace(loss + " " + strings.TrimPrefix(s.Name, "site-")), Right: true})
	}
	columns = append(columns, term.Column{Name: "mean", Right: true})
	shown := ""
	for _, f := range sc.models {
		if len(f) > 0 {
			shown = sc.shown(f)
			break
		}
	}
	columns = append(columns, term.Column{Name: shown, Right: true, Optional: true}, term.Column{Name: "took", Right: true}, term.Column{Name: "model"}, term.Column{Name: "same at", Right: true})
	t := term.NewTable(columns...)
	from := max(0, len(sc.rounds)-roundsShown)
	for n := from; n < len(sc.rounds); n++ {
		r := &sc.rounds[n]
		own := trained(r)
		cells := []string{strconv.FormatUint(r.Round, 10)}
		for _, s := range across {
			cells = append(cells, value(own, s.Name, loss))
		}
		cells = append(cells, mean(own, loss), sc.ofModel(n+1, shown), term.Duration(r.Took), r.Model.Short(), sc.out.Good(sc.agreement(n)))
		t.Row(cells...)
	}
	return t
}

// ofModel is the mean of what the sites measured of the model that a round yielded, nothing if it is not measured yet.
func (sc *Screen) ofModel(round int, metric string) string {
	if metric == "" || round >= len(sc.models) || len(sc.models[round]) == 0 {
		return ""
	}
	return mean(sc.models[round], metric)
}

// mean is the mean of a figure over the sites that have it.
func mean(f Figures, metric string) string {
	v, _, n := f.mean(metric)
	if n == 0 {
		return "-"
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}
