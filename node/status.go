package node

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net/http"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/exchange"
	"github.com/weft-mesh/weft/gossip"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/jobs"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/node/steps"
	"github.com/weft-mesh/weft/round"
)

// reporter says where the site stands, by the newest snapshot of the machine. Only what is read of the ledger itself is asked of
// the loop.
type reporter struct {
	home      *site.Home
	start     time.Time
	box       *mailbox
	views     *views
	reach     *reach
	snapshots *snapshots
	jobs      *jobs.Jobs
	host      *gossip.Host
	gossip    *gossip.Mesh
	exchange  *exchange.Exchange
	named     map[peer.ID]bool // in the configuration's bootstrap addresses
	events    *events
	programs  *programs
	steps     *steps.Log
	store     *blockstore.Disk
}

// Status says where the site stands.
func (s *reporter) Status(context.Context) (api.Status, error) {
	shot := s.snapshots.now()
	st := shot.status
	st.Runs = s.runs(shot)
	for _, r := range shot.runs {
		if r.active && s.jobs.Appraisal(r.status.ID).Waits {
			st.Pending = append(st.Pending, s.pending(r.status.ID, r.status.Spec))
		}
	}
	st.NotOpen = s.notOpen(s.views.now())
	for _, a := range st.NotOpen {
		if s.jobs.Appraisal(a.Run).Waits {
			st.Pending = append(st.Pending, s.pending(a.Run, a.Spec))
		}
	}
	for i := range st.Runs {
		r := &st.Runs[i]
		r.Shorten()
		if r.Newest != nil {
			r.Newest.Held = s.jobs.Holds(r.Newest.Model)
		}
	}
	p := s.problem(shot)
	if p.Text == "" {
		p = s.missing(st.Runs)
	}
	if p.Text != "" {
		st.Problem, st.Hint = p.Text, p.Hint
	}
	total := s.exchange.Stats().Total
	st.Sent, st.Received = total.Sent.Bytes, total.Received.Bytes
	st.Addrs, st.Up, st.Memory = fullAddrs(s.host, s.home.ID), s.views.now().up(s.reach.list(), s.home.ID), peakMemory()
	if room, err := s.store.Room(); err == nil {
		st.Room = room
	}
	st.Since, st.Uptime = s.start, time.Since(s.start)
	return st, nil
}

// runs describes the runs with all their rounds.
func (s *reporter) runs(shot *snapshot) []api.RunStatus {
	list := make([]api.RunStatus, len(shot.runs))
	for i, r := range shot.runs {
		list[i] = s.runStatus(r)
	}
	api.Link(list)
	return list
}

// Rounds returns a page of the committed rounds of a run.
func (s *reporter) Rounds(_ context.Context, run block.CID, from uint64, limit int) (api.Rounds, error) {
	list := s.runs(s.snapshots.now())
	at := slices.IndexFunc(list, func(r api.RunStatus) bool { return r.ID == run })
	if at < 0 {
		return api.Rounds{}, noRun(run)
	}
	page := list[at].Page(from, limit)
	for i := range page.Rounds {
		page.Rounds[i].Held = s.jobs.Holds(page.Rounds[i].Model)
	}
	return page, nil
}

// noRun says that the ledger has no such run.
func noRun(run block.CID) error {
	return api.Refuse(http.StatusNotFound, "weft run list shows the runs", "no run %s in this mesh", run)
}

// pending describes a run that waits for the operator.
func (s *reporter) pending(run block.CID, spec *ledger.RunSpec) api.PendingRun {
	return api.PendingRun{Run: run, Spec: spec, Held: s.jobs.Appraisal(run).Held}
}

// runStatus adds to a run of a snapshot what its jobs say.
func (s *reporter) runStatus(shown *shownRun) api.RunStatus {
	st := shown.status
	t, open := s.jobs.Standing(st.ID)
	if t != nil {
		st.Trains, st.Queued, st.Measures, st.Heard, st.Process = t.Round, t.Queued, t.Measures, t.Heard, t.Process
		st.TrainerWaits = t.Waits
		st.Step, st.Steps, st.Metrics = t.Last.Step, t.Last.Steps, t.Last.Metrics
	}
	if f := s.jobs.Failure(st.ID); f != nil {
		st.Failure = &api.Failure{Text: f.Text, Hint: f.Hint}
	}
	switch {
	case !shown.active:
		return st
	case !slices.Contains(st.Takes, s.views.now().ownName(s.home)) && !open:
		st.Phase = api.PhaseDeclined
	case t != nil && st.Phase == api.PhaseWaiting:
		st.Phase = api.PhaseTraining
	case t == nil && st.Phase == api.PhaseTraining && skips(&st, s.views.now().ownName(s.home)):
		st.Phase = api.PhaseWaiting
	}
	if !shown.sealed {
		st.Waits = s.waits(&st)
	}
	if st.Waits == "" {
		st.Awaits = s.awaits(&st, shown.sealed)
	}
	s.addWhy(&st)
	return st
}

// skips reports whether a site has said that it offers nothing in the round.
func skips(st *api.RunStatus, site string) bool {
	_, said := st.Skipped[site]
	return said
}

// Peers describes the other sites.
func (s *reporter) Peers() []api.Peer {
	stats := s.exchange.Stats()
	list := []api.Peer{}
	for _, i := range s.gossip.Peers() {
		p := api.Peer{Site: s.views.now().name(i.ID), ID: i.ID, Connected: i.Connected, Addrs: []string{}, Failure: i.Failure, RTT: i.RTT, Rejected: int(i.Rejected), Twin: i.Twin}
		for _, a := range i.Addrs {
			p.Addrs = append(p.Addrs, a.String())
		}
		if said, ok := s.programs.of(i.ID); ok {
			p.Weft, p.Protocol, p.Mute = said.Weft, said.Protocol, said.Mute
		}
		moved := stats.Peers[i.ID]
		p.Sent, p.Received = moved.Sent.Bytes, moved.Received.Bytes
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b api.Peer) int { return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.ID, b.ID)) })
	return list
}

// Entries returns decided entries from a height on, at most limit.
func (s *reporter) Entries(ctx context.Context, from uint64, limit int) (list []api.LedgerEntry, err error) {
	err = s.box.ask(ctx, func(m *round.Machine) { list = api.DescribeEntries(m.Ledger(), from, limit) })
	return list, err
}

// Steps returns the curves of this site's trainings in a run.
func (s *reporter) Steps(_ context.Context, run block.CID) ([]api.TrainingSteps, error) {
	if s.views.now().runs[run] == nil {
		return nil, noRun(run)
	}
	return s.steps.Of(run)
}

// peakMemory returns the largest resident set that the process has had, in bytes.
func peakMemory() uint64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return uint64(u.Maxrss)
	}
	return uint64(u.Maxrss) << 10 // Linux and the BSDs count in KiB
}

// Events returns the sequence number of the newest event, and the events from a number on; with follow those to come
// too, until ctx or the trace ends.
func (s *reporter) Events(ctx context.Context, from uint64, follow bool) (newest uint64, list iter.Seq[api.Event]) {
	return s.events.last(), s.events.follow(ctx, from, follow)
}

// fullAddrs returns the full addresses at which a site listens.
func fullAddrs(h *gossip.Host, id peer.ID) []string {
	var list []string
	for _, a := range h.Addrs() {
		list = append(list, fmt.Sprintf("%s/p2p/%s", a, id))
	}
	return list
}

// Roster describes the roster in force and what is asked for.
func (s *reporter) Roster(context.Context) (api.Roster, error) {
	list := s.snapshots.now().roster
	list.Sites = slices.Clone(list.Sites)
	for i := range list.Sites {
		list.Sites[i].Up = list.Sites[i].ID == s.home.ID || s.reach.has(list.Sites[i].ID)
	}
	return list, nil
}
