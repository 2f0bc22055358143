package deal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/scenarios/dirichlet"
)

const (
	minRows  = 8   // of a site, as a training of fewer says nothing
	maxDraws = 100 // of Dirichlet, until each site has enough rows
)

// hand says which site gets which row.
type hand struct {
	rng    *rand.Rand
	labels *labels
	counts []int    // a site's rows
	site   []uint16 // a row's site
}

// newHand deals rows out to n sites.
func newHand(l *labels, n int, p Plan, seed uint64) (*hand, error) {
	if l.rows == 0 {
		return nil, hint.Add(errors.New("there are no rows"), "name a file with data")
	}
	if l.rows < n*minRows {
		return nil, hint.Add(fmt.Errorf("%d rows are too few for %d sites: each needs at least %d", l.rows, n, minRows),
			"use more data, or fewer sites")
	}
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	h := &hand{rand.New(rand.NewChaCha8(key)), l, make([]int, n), make([]uint16, l.rows)}
	rows := make([]int32, l.rows)
	for i := range rows {
		rows[i] = int32(i)
	}
	h.rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	switch p.Kind {
	case Dirichlet:
		return h, h.dealDirichlet(rows, p.Alpha)
	case Label:
		return h, h.dealShards(rows, p.Labels)
	}
	for i := range n {
		h.give(i, piece(rows, i, n))
	}
	return h, nil
}

// give deals rows to a site.
func (h *hand) give(site int, rows []int32) {
	h.counts[site] += len(rows)
	for _, r := range rows {
		h.site[r] = uint16(site)
	}
}

// piece returns piece i of n equal ones.
func piece(rows []int32, i, n int) []int32 { return rows[len(rows)*i/n : len(rows)*(i+1)/n] }

// byLabel returns the rows sorted by label, else in the order in which they are, and those of each label.
func (h *hand) byLabel(rows []int32) (sorted []int32, groups [][]int32) {
	sizes := make([]int, len(h.labels.names))
	for _, id := range h.labels.of {
		sizes[id]++
	}
	sorted, groups = make([]int32, len(rows)), make([][]int32, len(sizes))
	rest := sorted
	for id, size := range sizes {
		groups[id], rest = rest[:0:size], rest[size:]
	}
	for _, r := range rows {
		id := h.labels.of[r]
		groups[id] = append(groups[id], r)
	}
	return sorted, groups
}

// dealShards deals each site so many shards of the rows sorted by label.
func (h *hand) dealShards(rows []int32, each int) error {
	n := len(h.counts) * each
	sorted, _ := h.byLabel(rows)
	for i, shard := range h.rng.Perm(n) {
		h.give(i/each, piece(sorted, shard, n))
	}
	if least := slices.Min(h.counts); least < minRows {
		return hint.Add(fmt.Errorf("%d rows in %d shards leave a site %d rows: each needs at least %d", len(rows), n, least, minRows),
			"deal fewer labels to each site, or use fewer sites")
	}
	return nil
}

// dealDirichlet draws for each label how its rows are shared out, until each site has enough rows.
func (h *hand) dealDirichlet(rows []int32, alpha float64) error {
	n := len(h.counts)
	least := max(minRows, len(rows)/100)
	if n*least > len(rows) {
		return hint.Add(fmt.Errorf("%d sites are too many: each needs at least %d of the %d rows", n, least, len(rows)),
			fmt.Sprintf("use at most %d sites", len(rows)/least))
	}
	_, groups := h.byLabel(rows)
	var best []int
	for range maxDraws {
		ends, counts := make([][]int, len(groups)), make([]int, n)
		for g, group := range groups {
			ends[g] = cut(len(group), dirichlet.Draw(h.rng, n, alpha))
			from := 0
			for i, to := range ends[g] {
				counts[i] += to - from
				from = to
			}
		}
		if slices.Min(counts) >= least {
			h.share(groups, ends)
			return nil
		}
		if best == nil || slices.Min(counts) > slices.Min(best) {
			best = counts
		}
	}
	return hint.Add(fmt.Errorf("dirichlet:%v leaves a site fewer than %d of the %d rows, in each of %d draws; the best gave %v", alpha, least, len(rows), maxDraws, best),
		"use a larger alpha, or fewer sites")
}

// cut returns where parts of n things end that have these shares. All of them together end at n.
func cut(n int, shares []float64) []int {
	ends := make([]int, len(shares))
	sum := 0.0
	for i, share := range shares {
		sum += share
		ends[i] = min(n, int(math.Round(sum*float64(n))))
	}
	ends[len(ends)-1] = n // the shares' sum is not exactly 1
	return ends
}

// share deals each group of rows by where the sites' parts of it end.
func (h *hand) share(groups [][]int32, ends [][]int) {
	for g, group := range groups {
		from := 0
		for i, to := range ends[g] {
			h.give(i, group[from:to])
			from = to
		}
	}
}

// labelCounts returns how many rows of each label each site has; nothing without labels.
func (h *hand) labelCounts() []map[string]int {
	list := make([]map[string]int, len(h.counts))
	if h.labels.column == "" {
		return list
	}
	counts := make([][]int, len(list))
	for i := range counts {
		counts[i] = make([]int, len(h.labels.names))
	}
	for r, id := range h.labels.of {
		counts[h.site[r]][id]++
	}
	for i := range list {
		list[i] = map[string]int{}
		for id, n := range counts[i] {
			if n > 0 {
				list[i][h.labels.names[id]] = n
			}
		}
	}
	return list
}
