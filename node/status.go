package node

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/exchange"
	"github.com/weft-mesh/weft/gossip"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/jobs"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/round"
)

// reporter says where the site stands. It asks the loop for what is the machine's.
type reporter struct {
	home     *site.Home
	start    time.Time
	box      *mailbox
	views    *views
	reach    *reach
	tracker  *tracker // read on the loop
	jobs     *jobs.Jobs
	host     *gossip.Host
	gossip   *gossip.Mesh
	exchange *exchange.Exchange
	named    map[peer.ID]bool // in the configuration's bootstrap addresses
	events   *events
	knows    reduction.Knows
	programs *programs
	version  string // of this program
}

// Status says where the site stands.
func (s *reporter) Status(ctx context.Context) (api.Status, error) {
	var st api.Status
	err := s.box.ask(ctx, func(m *round.Machine) {
		l := m.Ledger()
		r := l.Roster()
		st = api.Status{
			Site: s.views.now().ownName(s.home), ID: s.home.ID, Mesh: l.Mesh(), MeshName: s.home.Genesis.Name, Faults: s.home.Genesis.Faults,
			Sites: r.Len(), Quorum: r.Quorum(), Height: l.Height(), Head: l.Head(), Runs: []api.RunStatus{}, Observes: !r.Has(s.home.ID),
			Weft: s.version, Protocol: l.Protocol(l.Height() + 1).Number, Newest: ledger.Newest,
		}
		for _, id := range m.Named() {
			st.Named = append(st.Named, s.views.now().name(id))
		}
		for _, r := range l.Runs() {
			st.Runs = append(st.Runs, s.runStatus(m, r))
		}
		for _, r := range s.jobs.Waiting(l) {
			st.Pending = append(st.Pending, api.PendingRun{Run: r.ID, Spec: r.Spec})
		}
		changes := m.Changes()
		st.Asked = len(changes)
		for _, c := range changes[:min(len(changes), maxShownChanges)] {
			st.Changes = append(st.Changes, describeChange(r, s.home.ID, c))
		}
		if p := s.problem(m); p.Text != "" {
			st.Problem, st.Hint = p.Text, p.Hint
		}
	})
	if err != nil {
		return st, err
	}
	for _, r := range st.Runs {
		for i := range r.History { // the loop does not wait for the store
			r.History[i].Held = s.jobs.Holds(r.History[i].Model)
		}
	}
	total := s.exchange.Stats().Total
	st.Sent, st.Received = total.Sent.Bytes, total.Received.Bytes
	st.Addrs, st.Up, st.Memory = fullAddrs(s.host, s.home.ID), s.views.now().up(s.reach.list(), s.home.ID), peakMemory()
	st.Since, st.Uptime = s.start, time.Since(s.start)
	return st, nil
}

// maxShownChanges of the roster are in a status; weft roster list shows all.
const maxShownChanges = 8

// runStatus describes a run; it runs on the loop's goroutine.
func (s *reporter) runStatus(m *round.Machine, r *ledger.Run) api.RunStatus {
	k := s.tracker.runs[r.ID]
	st := api.DescribeRun(m.Ledger(), r)
	st.Unknown = s.knows.Unknown(r)
	if r.Active() { // nobody repeats the consents any more when it is over
		s.describeTakes(m, r, &st)
	}
	for i := range st.History {
		h := &st.History[i]
		past := k.past[h.Round]
		h.Took, h.Phases = past.took, maps.Clone(past.phases)
	}
	t, open := s.jobs.Standing(r.ID)
	if t != nil {
		st.Trains, st.Measures, st.Heard, st.Process = t.Round, t.Measures, t.Heard, t.Process
		st.Step, st.Steps, st.Metrics = t.Last.Step, t.Last.Steps, t.Last.Metrics
	}
	switch {
	case !r.Active():
	case !slices.Contains(m.Participants(r.ID), s.home.ID) && !open:
		st.Phase = api.PhaseDeclined
	case t != nil && k.phase == api.PhaseWaiting:
		st.Phase = api.PhaseTraining
	default:
		st.Phase = k.phase
	}
	if r.Active() && r.Latest() == nil {
		st.Waits = s.waits(&st)
	}
	return st
}

// describeTakes says what the sites have answered, and whose updates are here.
func (s *reporter) describeTakes(m *round.Machine, r *ledger.Run, st *api.RunStatus) {
	st.Takes = []string{}
	takes := m.Participants(r.ID)
	for _, site := range m.Ledger().Roster().ByName() {
		if s.tracker.runs[r.ID].held[site.ID] {
			st.Updates = append(st.Updates, site.Name)
		}
		switch {
		case slices.Contains(takes, site.ID):
			st.Takes = append(st.Takes, site.Name)
		case m.Declines(r.ID, site.ID):
			st.Declined = append(st.Declined, site.Name)
		default:
			st.Silent = append(st.Silent, site.Name)
		}
	}
}

// Peers describes the other sites.
func (s *reporter) Peers() []api.Peer {
	stats := s.exchange.Stats()
	list := []api.Peer{}
	for _, i := range s.gossip.Peers() {
		p := api.Peer{Site: s.views.now().name(i.ID), ID: i.ID, Connected: i.Connected, Addrs: []string{}, Failure: i.Failure, RTT: i.RTT, Rejected: int(i.Rejected)}
		for _, a := range i.Addrs {
			p.Addrs = append(p.Addrs, a.String())
		}
		if said, ok := s.programs.of(i.ID); ok {
			p.Weft, p.Protocol = said.Weft, said.Protocol
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
func (s *reporter) Roster(ctx context.Context) (list api.Roster, err error) {
	err = s.box.ask(ctx, func(m *round.Machine) {
		list = api.DescribeRoster(m.Ledger())
		for i := range list.Sites {
			list.Sites[i].Up = list.Sites[i].ID == s.home.ID || s.reach.has(list.Sites[i].ID)
		}
		for _, c := range m.Changes() {
			list.Changes = append(list.Changes, describeChange(m.Ledger().Roster(), s.home.ID, c))
		}
	})
	return list, err
}
