package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node"
)

// runRecompute verifies the ledger in a site's directory, and computes committed models anew from the updates there: all, or the
// one demanded.
func (c *verify) runRecompute(ctx context.Context, e *env, source string) error {
	if info, err := os.Stat(source); err != nil || !info.IsDir() {
		return usage("--recompute needs the updates, so a site's directory, and %s is none", source)
	}
	archive, err := node.OpenArchive(source)
	if err != nil {
		return verifyError(err)
	}
	if err := c.demand(archive.Report()); err != nil {
		return err
	}
	var only block.CID
	if c.model != "" {
		only, _ = block.Parse(c.model) // demanded before
	}
	var line atomic.Value // of progress
	line.Store("")
	var r *node.Report
	err = e.err.Live(ctx, func() string { return line.Load().(string) }, func(ctx context.Context) error {
		r, err = archive.Recompute(ctx, only, func(m *node.ModelReport, done, all int) {
			line.Store(fmt.Sprintf("%s  %s round %d  %d/%d shards", e.err.Busy(term.Bar(barWidth, uint64(done), uint64(all))), m.Run, m.Round, done, all))
		})
		line.Store("")
		return err
	})
	if err == nil {
		err = printReport(e, r)
	}
	if err == nil {
		err = verdict(r)
	}
	return err
}

// verdict turns what came of computing models anew into the command's error: the worst of it.
func verdict(r *node.Report) error {
	worst := func(o node.Outcome) *node.ModelReport {
		for i := range r.Models {
			if c := r.Models[i].Recomputed; c != nil && c.Outcome == o {
				return &r.Models[i]
			}
		}
		return nil
	}
	if m := worst(node.Differs); m != nil {
		text := fmt.Sprintf("round %d of run %s: the certified model is not what its updates give: %s", m.Round, m.Run, m.Recomputed.Why)
		return advised(&failure{kind: errUnverified, text: text}, "more sites lied or were broken than the mesh bears, or this machine is: compute it at another site too")
	}
	if m := worst(node.Damaged); m != nil {
		text := fmt.Sprintf("round %d of run %s cannot be computed here: %s", m.Round, m.Run, m.Recomputed.Why)
		return advised(&failure{kind: errUnverified, text: text}, "this disk went bad there: compute it at another site that keeps updates")
	}
	if m := worst(node.Unknown); m != nil {
		return fail(nil, "compute it with a weft that knows it", "round %d of run %s cannot be computed by this weft: %s", m.Round, m.Run, m.Recomputed.Why)
	}
	switch {
	case worst(node.Same) != nil:
		return nil
	case len(r.Models) == 0:
		return fail(nil, "", "there is no committed model to compute anew")
	}
	return fail(nil, "a site keeps the updates of runs that say `keep_updates: true`, or all if its config.yaml does, as far as it was up to fetch them", "no model could be computed anew: the updates are not kept here")
}

// recomputedText says what came of a run's models, rounds with the same outcome in one line.
func recomputedText(r *node.Report, run block.CID) string {
	rounds := map[node.Recomputed][]uint64{}
	var order []node.Recomputed
	for _, m := range r.Models {
		if m.RunID != run || m.Recomputed == nil {
			continue
		}
		if rounds[*m.Recomputed] == nil {
			order = append(order, *m.Recomputed)
		}
		rounds[*m.Recomputed] = append(rounds[*m.Recomputed], m.Round)
	}
	var b strings.Builder
	for _, c := range order {
		text := map[node.Outcome]string{
			node.Same:    "recomputed from the updates kept here: the bits that are certified",
			node.Differs: "recomputed, and DIFFERS: ",
			node.Damaged: "not recomputed, damaged here: ",
			node.Unknown: "not recomputed by this weft: ",
			node.NotKept: "not recomputed, not kept here: ",
		}[c.Outcome]
		fmt.Fprintf(&b, "  %s %s%s\n", ranges(rounds[c]), text, c.Why)
	}
	return b.String()
}

// ranges writes ascending round numbers, such as "rounds 1-3, 5".
func ranges(list []uint64) string {
	var parts []string
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		if part := fmt.Sprint(list[i]); j > i {
			parts = append(parts, fmt.Sprintf("%s-%d", part, list[j]))
		} else {
			parts = append(parts, part)
		}
		i = j + 1
	}
	noun := "round "
	if len(list) > 1 {
		noun = "rounds "
	}
	return noun + strings.Join(parts, ", ")
}
