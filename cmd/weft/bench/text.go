package bench

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/api"
)

// order is the phases as a round passes through them.
var order = []api.Phase{api.PhaseTraining, api.PhaseAnnouncing, api.PhaseSealing, api.PhaseReducing, api.PhaseCommitting}

// Text is the result for people.
func (r *Result) Text(out *term.Out) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, an update of %s; seconds of the slowest site in each phase\n\n", term.Plural(r.Sites, "site"), term.Bytes(r.Bytes))
	columns := []term.Column{{Name: "round", Right: true}}
	for _, p := range order {
		columns = append(columns, term.Column{Name: string(p), Right: true})
	}
	t := term.NewTable(append(columns, term.Column{Name: "took", Right: true})...)
	for _, x := range r.Rounds {
		cells := []string{strconv.FormatUint(x.Round, 10)}
		for _, p := range order {
			cells = append(cells, seconds(x.Phases[p]))
		}
		t.Row(append(cells, seconds(x.Took))...)
	}
	if len(r.Rounds) > 1 {
		cells := []string{"median"}
		for _, p := range order {
			cells = append(cells, seconds(median(r.Rounds, func(x Round) time.Duration { return x.Phases[p] })))
		}
		t.Row(append(cells, seconds(median(r.Rounds, func(x Round) time.Duration { return x.Took })))...)
	}
	b.WriteString(t.Text(out.Columns(), out.Dim) + "\n")
	if r.Limit > 0 {
		took := median(r.Rounds, func(x Round) time.Duration { return x.Took })
		fmt.Fprintf(&b, "bytes / rate: %s s, as weft bench exchange gives %s MB/s here; the median round takes %.2f of that\n\n",
			seconds(r.Limit), r.Exchange.text("%.0f", 1e-6), took.Seconds()/r.Limit.Seconds())
	}
	t = term.NewTable(term.Column{Name: "site"}, term.Column{Name: "peak memory", Right: true}, term.Column{Name: "sent", Right: true}, term.Column{Name: "received", Right: true})
	for _, n := range r.Nodes {
		t.Row(n.Site, term.Bytes(n.Memory), term.Bytes(n.Sent), term.Bytes(n.Received))
	}
	b.WriteString(t.Text(out.Columns(), out.Dim))
	return b.String()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }

func median(rounds []Round, of func(Round) time.Duration) time.Duration {
	var all []time.Duration
	for _, x := range rounds {
		all = append(all, of(x))
	}
	slices.Sort(all)
	return all[len(all)/2]
}
