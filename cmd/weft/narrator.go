package main

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/trace"
)

// peersEvery is the time between two looks at who is connected.
const peersEvery = time.Second

// narrator logs what a person wants to know of a node: who comes and goes, and how rounds go.
// It knows it from the local API, as anyone may.
type narrator struct {
	log    *slog.Logger
	client *api.Client
}

func (t *narrator) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return t.peers(ctx) })
	g.Go(func() error { return t.events(ctx) })
	return g.Wait()
}

// peers logs connections. That the node does not answer is its own affair, told by itself.
func (t *narrator) peers(ctx context.Context) error {
	connected := map[string]bool{}
	for {
		peers, err := t.client.Peers(ctx)
		moved := slices.DeleteFunc(peers, func(p api.Peer) bool { return p.Connected == connected[p.Site] })
		if err == nil && len(moved) > 0 {
			t.tellMoved(ctx, moved, connected)
		}
		if sleep(ctx, peersEvery) != nil {
			return nil
		}
	}
}

// tellMoved logs who has come and gone.
func (t *narrator) tellMoved(ctx context.Context, moved []api.Peer, connected map[string]bool) {
	s, err := t.client.Status(ctx)
	if err != nil {
		return // the next turn
	}
	for _, p := range moved {
		connected[p.Site] = p.Connected
		what := "site away"
		if p.Connected {
			what = "site connected"
		}
		t.log.Info(what, "site", p.Site, "up", s.Up, "of", s.Sites)
	}
}

// told are the events of the trace that a person wants, with what they say.
var told = map[trace.Kind]string{
	"train":       "training",
	"announce":    "update announced",
	"holds":       "update received",
	"skips":       "a site skips the round",
	"trouble":     "a site says what goes wrong there",
	"votes again": "votes again",

	"change asked":        "a change of the roster is asked for: weft roster list",
	"approved":            "a change of the roster is approved",
	"approval taken back": "an approval of a change of the roster is taken back",
	"roster changed":      "the roster has changed",
	"joins":               "a new site has signed that it joins",
	"takes part":          "this site takes part from now on",
}

// warned are the events that a person must know.
var warned = map[trace.Kind]string{
	"equivocation": "a site signed two statements for one place",
	"fork":         "the ledger forks",
	"diverged":     "this site computed another model than the mesh",
	"bad update":   "an update cannot be used",
	"bad input":    "an update cannot be aggregated",
	"bad model":    "a model cannot be used",
	"dropped":      "a site sent wrong blocks and was dropped",
	"observes":     "this site is no longer in the roster",
}

// events logs the trace of this life of the node as it comes.
func (t *narrator) events(ctx context.Context) error {
	s, err := t.client.Status(ctx)
	if err != nil {
		return t.ended(ctx, err)
	}
	names := map[peer.ID]string{s.ID: s.Site}
	peers, err := t.client.Peers(ctx)
	if err != nil {
		return t.ended(ctx, err)
	}
	for _, p := range peers {
		names[p.ID] = p.Site
	}
	for e, err := range t.client.Events(ctx, 0, true) {
		if err != nil {
			return t.ended(ctx, err)
		}
		if !e.Time.Before(s.Since) {
			t.tell(ctx, e, s.ID, names)
		}
	}
	return nil
}

// ended tells an error from the node's end, which is no error of the narrator's.
func (t *narrator) ended(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		t.log.Warn("what the node does cannot be shown any more", "error", err)
	}
	return nil
}

// losses are this site's loss in a committed round, and the mean of all sites that have one. The node tells of a commit a moment
// before its status does.
func (t *narrator) losses(ctx context.Context, run block.CID, round uint64) []any {
	for range 20 {
		s, err := t.client.Status(ctx)
		if err != nil {
			return nil
		}
		for i := range s.Runs {
			r := &s.Runs[i]
			number := round + r.Before()
			if r.ID != run || r.Newest == nil || r.Newest.Round < number {
				continue
			}
			page, err := t.client.Rounds(ctx, run, number, 1)
			if err != nil || len(page.Rounds) == 0 {
				return nil
			}
			return lossAttrs(&page.Rounds[0], s.Site)
		}
		if sleep(ctx, 50*time.Millisecond) != nil {
			return nil
		}
	}
	return nil
}

func lossAttrs(r *api.RoundStatus, site string) (attrs []any) {
	key := lossKey([]api.RoundStatus{*r})
	if own, ok := r.Metrics[site][key]; ok {
		attrs = append(attrs, key, metricText(own))
	}
	if mean, _, _ := spread(r.Metrics, key); !math.IsNaN(mean) {
		attrs = append(attrs, "mean", metricText(mean))
	}
	return attrs
}

func (t *narrator) tell(ctx context.Context, e api.Event, self peer.ID, names map[peer.ID]string) {
	about := e.About()
	switch e := e.Event.(type) {
	case trace.Decided:
		attrs := []any{"height", about.Height, "entry", e.Text(), "run", about.Run.Short()}
		if e.Decision.Kind == "commit" {
			attrs = append(attrs, t.losses(ctx, about.Run, e.Decision.Round)...)
		}
		t.log.Info("decided", attrs...)
		return
	case trace.Held:
		if about.Site == self || names[about.Site] == "" {
			return // its own
		}
	}
	var attrs []any
	if about.Run.Defined() {
		attrs = append(attrs, "run", about.Run.Short())
	}
	if about.Round > 0 {
		attrs = append(attrs, "round", about.Round)
	}
	if name := names[about.Site]; name != "" {
		attrs = append(attrs, "site", name)
	}
	switch e := e.Event.(type) {
	case trace.ChangeAsked:
		attrs = append(attrs, "change", e.Change.Short())
	case trace.Approved:
		attrs = append(attrs, "change", e.Support.Change.Short())
	case trace.ApprovalWithdrawn:
		attrs = append(attrs, "change", e.Support.Change.Short())
	}
	if text := e.Text(); text != "" {
		attrs = append(attrs, "text", text)
	}
	if text := told[e.Kind()]; text != "" {
		t.log.Info(text, attrs...)
	} else if text := warned[e.Kind()]; text != "" {
		t.log.Warn(text, attrs...)
	}
}
