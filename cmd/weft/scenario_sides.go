//go:build !node

package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/trace"
)

// sideBySide compares recordings of one scenario by different players.
func sideBySide(recs []*scenarios.Recording, out *term.Out) string {
	columns := []term.Column{{Name: "", Shrink: true}}
	for _, r := range recs {
		columns = append(columns, term.Column{Name: string(r.Driver), Right: true})
	}
	t := term.NewTable(columns...)
	for _, line := range []struct {
		name string
		of   func(*scenarios.Recording) string
	}{
		{"until the last decision", func(r *scenarios.Recording) string { return seconds(r.Took) }},
		{"a round, median", func(r *scenarios.Recording) string { return seconds(median(roundTimes(r))) }},
		{"agreement after a quorum is ready, median", func(r *scenarios.Recording) string { return seconds(median(agreements(r))) }},
		{"bytes sent by a site, mean", func(r *scenarios.Recording) string { return term.Bytes(meanSent(r)) }},
	} {
		cells := []string{line.name}
		for _, r := range recs {
			cells = append(cells, line.of(r))
		}
		t.Row(cells...)
	}
	return "\n" + t.Text(out.Columns(), out.Dim)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// roundTimes is how long each round took, from the commit before or the run's opening.
func roundTimes(r *scenarios.Recording) (all []time.Duration) {
	ends := r.RoundEnds()
	opened := slices.IndexFunc(r.Trace, func(l scenarios.Line) bool {
		d, ok := l.Event.(trace.Decided)
		return ok && d.Decision.Kind == "open"
	})
	if opened < 0 {
		return nil
	}
	last := r.Trace[opened].At
	for _, end := range ends {
		all = append(all, end-last)
		last = end
	}
	return all
}

// agreements is how long the sites took to decide each entry, after a quorum had become ready for it.
func agreements(r *scenarios.Recording) (all []time.Duration) {
	quorum := r.Scenario.Quorum()
	ready, decided := map[block.CID]map[int]time.Duration{}, map[block.CID]bool{}
	for _, l := range r.Trace {
		switch e := l.Event.(type) {
		case trace.Ready:
			entry := e.Decision.Entry
			if ready[entry] == nil {
				ready[entry] = map[int]time.Duration{}
			}
			if _, again := ready[entry][l.Site]; !again {
				ready[entry][l.Site] = l.At
			}
		case trace.Decided:
			if entry := e.Decision.Entry; !decided[entry] && len(ready[entry]) >= quorum {
				decided[entry] = true
				times := slices.Sorted(maps.Values(ready[entry]))
				all = append(all, l.At-times[quorum-1])
			}
		}
	}
	return all
}

func meanSent(r *scenarios.Recording) (sum int64) {
	for _, s := range r.Sites {
		sum += s.Sent.Bytes()
	}
	return sum / int64(len(r.Sites))
}
