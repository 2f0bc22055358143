package demo

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node"
)

const (
	lossesAcross = 5 // sites that get a loss column of their own
	roundsShown  = 12
)

// frame draws the whole screen.
func (sc *screen) frame() string {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	out, g := sc.out, sc.mesh
	kind := "LoRA adapter"
	if sc.cfg.Full {
		kind = "all weights"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  mesh %s  %s, a quorum is %d  %s\n", out.Bold("weft demo"), g.Block().CID.Short(),
		term.Plural(len(g.Sites), "site"), g.Roster().Quorum(), term.Duration(sc.now().Sub(sc.begun).Truncate(time.Second)))
	fmt.Fprintf(&b, "%s\n\n", out.Dim(fmt.Sprintf("%s of the embedded base, %s of %s at each site", kind,
		term.Plural(sc.cfg.Rounds, "round"), term.Plural(sc.cfg.Steps, "step"))))
	b.WriteString(sc.siteTable().Text(out.Columns(), out.Dim))
	if len(sc.rounds) > 0 {
		b.WriteString("\n" + sc.roundTable().Text(out.Columns(), out.Dim))
	}
	if sc.status != "" {
		b.WriteString("\n" + sc.status)
		if sc.all > 0 {
			b.WriteString("  " + out.Busy(term.Bar(barWidth, uint64(sc.done), uint64(sc.all))))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (sc *screen) siteTable() *term.Table {
	out := sc.out
	t := term.NewTable(term.Column{Name: "site", Shrink: true}, term.Column{Name: "text"}, term.Column{Name: "round", Right: true},
		term.Column{Name: "phase"}, term.Column{Name: "progress"}, term.Column{Name: "tokens/s", Right: true},
		term.Column{Name: "sent", Right: true}, term.Column{Name: "received", Right: true})
	for i, s := range sc.sites {
		st := sc.states[i]
		phase, speed := out.Busy(fmt.Sprintf("%-10s", st.phase)), ""
		bar := strings.Repeat(" ", barWidth/2)
		switch st.phase {
		case node.PhaseTraining:
			bar, speed = out.Busy(term.Bar(barWidth/2, st.step, st.steps)), term.Count(st.speed)
		case node.PhaseDone:
			phase = out.Good(fmt.Sprintf("%-10s", st.phase))
		}
		t.Row(s.name, s.text.Kind, fmt.Sprintf("%d/%d", st.round, sc.cfg.Rounds), phase, bar, fmt.Sprintf("%6s", speed), term.Bytes(st.sent), term.Bytes(st.got))
	}
	return t
}

func (sc *screen) roundTable() *term.Table {
	across := sc.sites
	if len(across) > lossesAcross {
		across = across[:lossesAcross]
	}
	columns := []term.Column{{Name: "round", Right: true}}
	for _, s := range across {
		columns = append(columns, term.Column{Name: "loss " + strings.TrimPrefix(s.name, "site-"), Right: true})
	}
	columns = append(columns, term.Column{Name: "took", Right: true}, term.Column{Name: "model"}, term.Column{})
	t := term.NewTable(columns...)
	first := max(0, len(sc.rounds)-roundsShown)
	for n, r := range sc.rounds[first:] {
		cells := []string{strconv.FormatUint(r.Round, 10)}
		for _, s := range across {
			cells = append(cells, loss(r, s.name))
		}
		t.Row(append(cells, term.Duration(r.Took), r.Model.Short(), sc.out.Good(sc.agreement(first+n)))...)
	}
	return t
}
