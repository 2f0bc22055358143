package demo

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/api"
)

const (
	lossesAcross = 5 // sites that get a loss column of their own
	roundsShown  = 12
)

// frame draws the whole view.
func (v *view) frame() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := v.d.out
	g := v.d.mesh.Genesis
	kind := "LoRA adapter"
	if v.d.cfg.Full {
		kind = "all weights"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  mesh %s  %s, a quorum is %d  %s\n", out.Bold("weft demo"), g.Block().CID.Short(),
		term.Plural(len(g.Sites), "site"), g.Roster().Quorum(), term.Duration(v.now().Sub(v.begun).Truncate(time.Second)))
	fmt.Fprintf(&b, "%s\n\n", out.Dim(fmt.Sprintf("%s of the embedded base, %s of %s at each site", kind,
		term.Plural(v.d.cfg.Rounds, "round"), term.Plural(v.d.cfg.Steps, "step"))))
	b.WriteString(v.siteTable().Text(out.Columns(), out.Dim))
	if len(v.rounds) > 0 {
		b.WriteString("\n" + v.roundTable().Text(out.Columns(), out.Dim))
	}
	if v.status != "" {
		b.WriteString("\n" + v.status)
		if v.all > 0 {
			b.WriteString("  " + out.Busy(term.Bar(barWidth, uint64(v.done), uint64(v.all))))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (v *view) siteTable() *term.Table {
	out := v.d.out
	t := term.NewTable(term.Column{Name: "site", Shrink: true}, term.Column{Name: "text"}, term.Column{Name: "round", Right: true},
		term.Column{Name: "phase"}, term.Column{Name: "progress"}, term.Column{Name: "tokens/s", Right: true},
		term.Column{Name: "sent", Right: true}, term.Column{Name: "received", Right: true})
	for i, s := range v.d.sites {
		st := v.states[i]
		phase, speed := out.Busy(fmt.Sprintf("%-10s", st.phase)), ""
		bar := strings.Repeat(" ", barWidth/2)
		switch st.phase {
		case api.PhaseTraining:
			bar, speed = out.Busy(term.Bar(barWidth/2, st.step, st.steps)), term.Count(st.speed)
		case api.PhaseDone:
			phase = out.Good(fmt.Sprintf("%-10s", st.phase))
		}
		t.Row(s.name, s.text.Kind, fmt.Sprintf("%d/%d", st.round, v.d.cfg.Rounds), phase, bar, fmt.Sprintf("%6s", speed), term.Bytes(st.sent), term.Bytes(st.got))
	}
	return t
}

func (v *view) roundTable() *term.Table {
	across := v.d.sites
	if len(across) > lossesAcross {
		across = across[:lossesAcross]
	}
	columns := []term.Column{{Name: "round", Right: true}}
	for _, s := range across {
		columns = append(columns, term.Column{Name: "loss " + strings.TrimPrefix(s.name, "site-"), Right: true})
	}
	columns = append(columns, term.Column{Name: "took", Right: true}, term.Column{Name: "model"}, term.Column{})
	t := term.NewTable(columns...)
	first := max(0, len(v.rounds)-roundsShown)
	for n, r := range v.rounds[first:] {
		cells := []string{strconv.FormatUint(r.Round, 10)}
		for _, s := range across {
			cells = append(cells, loss(r, s.name))
		}
		t.Row(append(cells, term.Duration(r.Took), r.Model.Short(), v.d.out.Good(v.agreement(first+n)))...)
	}
	return t
}
