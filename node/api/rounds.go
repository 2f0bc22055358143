package api

import (
	"context"
	"fmt"
	"slices"

	"github.com/weft-mesh/weft/block"
)

// MaxRounds is how many rounds a page has at most.
const MaxRounds = 1000

// Rounds is a page of what a run has come to. Rounds are counted as in its status: on from those of the run that it continues.
type Rounds struct {
	Done    uint64         `json:"done"`              // committed in all
	Rounds  []RoundStatus  `json:"rounds"`            // of this page, ascending
	Figures []ModelFigures `json:"figures,omitempty"` // what the sites measured of the models of this page; with the first, of what the run began with
	Cross   CrossFigures   `json:"cross,omitempty"`   // what they measured of the last round's updates; on the last page
}

// Page returns the committed rounds of a run from a number on, at most limit. All of them are at hand.
func (r *RunStatus) Page(from uint64, limit int) Rounds {
	first, _ := slices.BinarySearchFunc(r.History, from, func(h RoundStatus, from uint64) int { return int(h.Round) - int(from) })
	end := min(len(r.History), first+min(limit, MaxRounds))
	page := Rounds{Done: uint64(len(r.History)), Rounds: append([]RoundStatus{}, r.History[first:end]...)}
	for _, f := range r.Figures {
		if (f.Round >= from || first == 0) && (end == len(r.History) || f.Round < r.History[end].Round) {
			page.Figures = append(page.Figures, f)
		}
	}
	if end == len(r.History) {
		page.Cross = r.Cross
	}
	return page
}

// Shorten leaves of all that a run has come to its newest round.
func (r *RunStatus) Shorten() {
	if n := len(r.History); n > 0 {
		newest := r.History[n-1]
		r.Newest = &newest
	}
	r.History, r.Figures, r.Cross = nil, nil, nil
}

// Rounds returns a page of the committed rounds of a run, from a number on, at most limit.
func (c *Client) Rounds(ctx context.Context, run block.CID, from uint64, limit int) (Rounds, error) {
	return get[Rounds](ctx, c, fmt.Sprintf("/v1/runs/%s/rounds?from=%d&limit=%d", run, from, limit))
}

// Recent is Status with the newest rounds of each run, so many.
func (c *Client) Recent(ctx context.Context, rounds uint64) (*Status, error) {
	return c.filled(ctx, func(newest uint64) uint64 { return newest - min(newest, rounds) + 1 })
}

// Full is Status with all that the runs have come to: their rounds, and what was measured of their models. It takes as long as
// there is history.
func (c *Client) Full(ctx context.Context) (*Status, error) {
	return c.filled(ctx, func(uint64) uint64 { return 1 })
}

// filled is Status with the rounds of each run from one on that follows from its newest.
func (c *Client) filled(ctx context.Context, from func(newest uint64) uint64) (*Status, error) {
	st, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	for i := range st.Runs {
		r := &st.Runs[i]
		if r.History == nil { // a node of weft 0.1.0-dev before pages has told all
			r.History = []RoundStatus{}
		}
		if r.Newest != nil {
			if err := c.fill(ctx, r, from(r.Newest.Round)); err != nil {
				return nil, err
			}
		}
	}
	return st, nil
}

// fill adds to the status of a run the rounds from one on. Those that are committed meanwhile are left out: the status does not
// count them.
func (c *Client) fill(ctx context.Context, r *RunStatus, from uint64) error {
	for from <= r.Newest.Round {
		page, err := c.Rounds(ctx, r.ID, from, MaxRounds)
		if err != nil {
			return err
		}
		for _, h := range page.Rounds {
			if h.Round <= r.Newest.Round {
				r.History = append(r.History, h)
			}
		}
		r.Figures, r.Cross = append(r.Figures, page.Figures...), page.Cross
		if len(page.Rounds) == 0 {
			return nil
		}
		from = page.Rounds[len(page.Rounds)-1].Round + 1
	}
	return nil
}
