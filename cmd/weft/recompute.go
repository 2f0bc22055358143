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

// recompute computes committed models anew from the updates in a site's directory: all, or the one demanded.
func (a *app) recompute(ctx context.Context, source, model string) (r *node.Report, err error) {
	if info, err := os.Stat(source); err != nil || !info.IsDir() {
		return nil, usage("--recompute needs the updates, so a site's directory, and %s is none", source)
	}
	var only block.CID
	if model != "" {
		only, _ = block.Parse(model) // demanded before
	}
	var line atomic.Value // of progress
	line.Store("")
	err = a.err.Live(ctx, func() string { return line.Load().(string) }, func(ctx context.Context) error {
		r, err = node.Recompute(ctx, source, only, func(m *node.ModelReport, done, all int) {
			line.Store(fmt.Sprintf("%s  %s round %d  %d/%d shards", a.err.Busy(term.Bar(barWidth, uint64(done), uint64(all))), m.Run, m.Round, done, all))
		})
		line.Store("")
		return err
	})
	return r, err
}

// judge turns what came of computing models anew into the command's error.
func judge(r *node.Report) error {
	same := 0
	for _, m := range r.Models {
		switch c := m.Recomputed; {
		case c == nil:
		case c.Outcome == node.Same:
			same++
		case c.Outcome == node.Differs:
			return &failure{
				kind: errUnverified, text: fmt.Sprintf("round %d of run %s: the certified model is not what its updates give: %s", m.Round, m.Run, c.Why),
				hint: "more sites lied or were broken than the mesh bears, or this machine is: compute it at another site too",
			}
		case c.Outcome == node.Damaged:
			return &failure{
				kind: errUnverified, text: fmt.Sprintf("round %d of run %s cannot be computed here: %s", m.Round, m.Run, c.Why),
				hint: "this disk went bad there: compute it at another site that keeps updates",
			}
		}
	}
	if same == 0 {
		return fail(nil, "`keep_updates: true` in a run file, or in a site's config.yaml, keeps the updates of rounds to come", "no model could be computed anew: the updates are not kept here")
	}
	return nil
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
			node.Same:    "recomputed from the updates kept here, the same bits",
			node.Differs: "recomputed, and DIFFERS: ",
			node.Damaged: "not recomputed, damaged here: ",
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
