package try

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
)

// Result is what a try came to.
type Result struct {
	Mesh       block.CID         `json:"mesh"`
	Run        block.CID         `json:"run"`
	Base       block.CID         `json:"base"`  // what the run began with
	Model      block.CID         `json:"model"` // what every site ended with
	Sites      []SiteResult      `json:"sites"`
	Rounds     []api.RoundStatus `json:"rounds"`
	Measured   []Figures         `json:"measured,omitempty"` // of the base and each round's model, by site; null: nobody did
	Best       *BestModel        `json:"best,omitempty"`
	Cross      api.CrossFigures  `json:"cross,omitempty"`         // what the sites measured of the last round's updates, by who and whose
	Alone      []Alone           `json:"alone,omitempty"`         // what each site got alone, in as many rounds
	Output     string            `json:"output,omitempty"`        // file that the model, or the best one, was written to
	Started    time.Duration     `json:"started_ns"`              // until all nodes answered
	Opened     time.Duration     `json:"opened_ns"`               // from there until the run was asked for, its model made
	First      time.Duration     `json:"first_commit_ns"`         // from the first process to the first commit
	Scripts    time.Duration     `json:"first_commit_scripts_ns"` // of that, spent by the sites' trainers
	Federation time.Duration     `json:"federation_ns"`           // from the first process to the last commit
}

// SiteResult is a site's part in it.
type SiteResult struct {
	Site     string    `json:"site"`
	Model    block.CID `json:"model"`  // as this site has it
	Rounds   int       `json:"rounds"` // in which its update counted
	Sent     int64     `json:"sent"`   // bytes of blocks
	Received int64     `json:"received"`
	Memory   uint64    `json:"memory"` // peak resident set of the node, bytes
}

// BestModel is the best of the models by what the sites measured.
type BestModel struct {
	Round  int       `json:"round"` // 0: what the run began with
	Model  block.CID `json:"model"`
	Metric string    `json:"metric"`
	Value  float64   `json:"value"` // mean of the sites, by samples
}

// collect takes what the sites ended with.
func (r *Result) collect(sites []Site, last []*api.Status) error {
	for i, s := range sites {
		run := runOf(last[i], r.Run)
		model := run.History[len(run.History)-1].Model
		counted := 0
		for _, h := range run.History {
			if slices.Contains(h.Sites, s.Name) {
				counted++
			}
		}
		r.Sites = append(r.Sites, SiteResult{s.Name, model, counted, last[i].Sent, last[i].Received, last[i].Memory})
		if model != r.Sites[0].Model {
			return fmt.Errorf("%w: %s has %s, %s has %s", ErrDiffer, sites[0].Name, r.Sites[0].Model, s.Name, model)
		}
	}
	run := runOf(last[0], r.Run)
	r.Base, r.Rounds, r.Model, r.Cross = run.Spec.Base, run.History, r.Sites[0].Model, run.Cross
	if len(run.Figures) > 0 {
		r.Measured = measured(run)
	}
	r.times(sites, last)
	return nil
}

// times says how long the first round took, and how much of that the trainers.
func (r *Result) times(sites []Site, last []*api.Status) {
	longest := time.Duration(0)
	for i := range sites {
		h := runOf(last[i], r.Run).History[0]
		r.First = max(r.First, r.Started+r.Opened+h.Took)
		longest = max(longest, h.Phases[api.PhaseTraining])
	}
	r.Scripts = r.Opened + longest
}

// choose takes the best model, as the sites have agreed on it.
func (r *Result) choose(b *ledger.Best, found *api.BestModel) error {
	switch {
	case b == nil:
		return nil
	case found == nil:
		return fmt.Errorf("no model has a figure %q; the sites measured: %s", b.Metric, cmp.Or(strings.Join(r.metrics(), ", "), "nothing"))
	}
	mean, _, _ := r.Measured[found.Round].mean(b.Metric)
	r.Best = &BestModel{int(found.Round), found.Model, b.Metric, mean}
	return nil
}

// metrics returns the figures that every site has of some model: of the first that has any.
func (r *Result) metrics() []string {
	for _, f := range r.Measured {
		if names := f.metrics(); len(names) > 0 && len(f) == len(r.Sites) {
			return names
		}
	}
	return nil
}

func (r *Result) modelOf(round int) block.CID {
	if round == 0 {
		return r.Base
	}
	return r.Rounds[round-1].Model
}

// Idle returns the sites none of whose updates has counted.
func (r *Result) Idle() (sites []string) {
	for _, s := range r.Sites {
		if s.Rounds == 0 {
			sites = append(sites, s.Site)
		}
	}
	return sites
}

// Text is the result for people, below what the screen has shown of the rounds.
func (r *Result) Text(out *term.Out) string {
	var b strings.Builder
	if len(r.metrics()) > 0 {
		b.WriteString("\nWhat the sites measured, mean and standard deviation:\n\n" + r.measuredTable().Text(out.Columns(), out.Dim))
	}
	if len(r.Alone) > 0 && len(r.metrics()) > 0 {
		b.WriteString(r.aloneText(out))
	}
	b.WriteString(r.crossText(out))
	num := func(name string) term.Column { return term.Column{Name: name, Right: true} }
	t := term.NewTable(term.Column{Name: "site"}, num("rounds"), num("sent"), num("received"), num("peak memory"), term.Column{Name: "model"})
	for _, s := range r.Sites {
		t.Row(s.Site, fmt.Sprintf("%d/%d", s.Rounds, len(r.Rounds)), term.Bytes(s.Sent), term.Bytes(s.Received), term.Bytes(s.Memory), out.Good(s.Model.Short()))
	}
	b.WriteString("\n" + t.Text(out.Columns(), out.Dim))
	if r.Best != nil {
		fmt.Fprintf(&b, "\n%s  round %d, %s %.4g (mean of %s)  %s\n", out.Bold("best"), r.Best.Round, r.Best.Metric, r.Best.Value, term.Plural(len(r.Measured[r.Best.Round]), "site"), r.Best.Model)
	}
	fmt.Fprintf(&b, "\nsame model at %d of %d sites  %s\n", len(r.Sites), len(r.Sites), r.Model)
	if r.Output != "" {
		fmt.Fprintf(&b, "written to  %s\n", out.Bold(r.Output))
	}
	fmt.Fprintf(&b, "%s in all; %s to the first commit, of that %s in the scripts\n", term.Duration(r.Federation), term.Duration(r.First), term.Duration(r.Scripts))
	return b.String()
}

// aloneText compares the last model with what each site got alone, by the figure that the best model is chosen by, or else the
// first that all sites have.
func (r *Result) aloneText(out *term.Out) string {
	metric := r.metrics()[0]
	if r.Best != nil {
		metric = r.Best.Metric
	}
	last := r.Measured[len(r.Measured)-1]
	num := func(name string) term.Column { return term.Column{Name: name, Right: true} }
	t := term.NewTable(term.Column{Name: "site"}, num("own, alone"), num("own, together"), num("others', alone"), num("others', together"))
	for _, a := range r.Alone {
		t.Row(a.Site, value(a.Measured, a.Site, metric), value(last, a.Site, metric), mean(a.Measured.without(a.Site), metric), mean(last.without(a.Site), metric))
	}
	head := fmt.Sprintf("\nEach site alone, in as many rounds, and together: %s, on its own data and, as a mean, on the others'\n\n", metric)
	return head + t.Text(out.Columns(), out.Dim)
}

// crossText shows one metric of what the sites measured of each other's last updates: that by which the best model is chosen, or
// else the first.
func (r *Result) crossText(out *term.Out) string {
	by, of, metrics := r.Cross.Names()
	if len(metrics) == 0 {
		return ""
	}
	metric := metrics[0]
	if r.Best != nil && slices.Contains(metrics, r.Best.Metric) {
		metric = r.Best.Metric
	}
	t := term.Matrix("measured by", by, of, func(by, of string) string {
		v, has := r.Cross[by][of].Metrics[metric]
		if !has {
			return "-"
		}
		return fmt.Sprintf("%.3f", v)
	})
	return fmt.Sprintf("\nEach site's last update, measured with each site's data: %s\n\n", metric) + t.Text(out.Columns(), out.Dim)
}

// rounded returns a deviation, 0 for what is left of a difference of equal numbers.
func rounded(deviation, mean float64) float64 {
	if deviation < 1e-9*math.Abs(mean) {
		return 0
	}
	return deviation
}

// measuredTable has a row for each model that was measured, a column for each figure that all sites have.
func (r *Result) measuredTable() *term.Table {
	names := r.metrics()
	columns := []term.Column{{Name: "round", Right: true}}
	for _, name := range names {
		columns = append(columns, term.Column{Name: name, Right: true})
	}
	t := term.NewTable(append(columns, term.Column{Name: "model"}, term.Column{Optional: true})...)
	for round, f := range r.Measured {
		cells := []string{strconv.Itoa(round)}
		for _, name := range names {
			mean, deviation, sites := f.mean(name)
			if sites == 0 {
				cells = append(cells, "-")
				continue
			}
			cells = append(cells, fmt.Sprintf("%.4g ± %.2g", mean, rounded(deviation, mean)))
		}
		cells = append(cells, r.modelOf(round).Short())
		if r.Best != nil && r.Best.Round == round {
			cells = append(cells, "best")
		}
		t.Row(cells...)
	}
	return t
}
