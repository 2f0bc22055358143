package node

import (
	"cmp"
	"context"
	"maps"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

// Status says where the site stands.
func (n *Node) Status(ctx context.Context) (Status, error) {
	var s Status
	err := n.ask(ctx, func(m *round.Machine) {
		l := m.Ledger()
		r := l.Roster()
		s = Status{
			Site: n.ownName(), ID: n.home.ID, Mesh: l.Mesh(), MeshName: n.home.Genesis.Name, Faults: n.home.Genesis.Faults,
			Sites: r.Len(), Quorum: r.Quorum(), Height: l.Height(), Head: l.Head(), Runs: []RunStatus{}, Observes: !r.Has(n.home.ID),
			Weft: n.version(), Protocol: l.Protocol(l.Height() + 1).Number, Newest: ledger.Newest,
		}
		for _, id := range m.Named() {
			s.Named = append(s.Named, n.siteName(id))
		}
		for _, r := range l.Runs() {
			s.Runs = append(s.Runs, n.runStatus(m, r))
		}
		s.Pending = n.jobs.waiting(l)
		changes := m.Changes()
		s.Asked = len(changes)
		for _, c := range changes[:min(len(changes), maxShownChanges)] {
			s.Changes = append(s.Changes, n.describeChange(r, c))
		}
		if p := n.problem(m); p.text != "" {
			s.Problem, s.Hint = p.text, p.hint
		}
	})
	if err != nil {
		return s, err
	}
	total := n.exchange.Stats().Total
	s.Sent, s.Received = total.Sent.Bytes, total.Received.Bytes
	s.Addrs, s.Up, s.Memory = n.Addrs(), n.view.Load().up(n.reach.list(), n.home.ID), peakMemory()
	s.Since, s.Uptime = n.start, time.Since(n.start)
	return s, nil
}

// maxShownChanges of the roster are in a status; weft roster list shows all.
const maxShownChanges = 8

// runStatus describes a run; it runs on the loop's goroutine.
func (n *Node) runStatus(m *round.Machine, r *ledger.Run) RunStatus {
	k := n.tracker.runs[r.ID]
	s := describeRun(m.Ledger(), r)
	s.Unknown = n.opt.Knows.unknown(r)
	if r.Active() { // nobody repeats the consents any more when it is over
		n.describeTakes(m, r, &s)
	}
	for i := range s.History {
		h := &s.History[i]
		past := k.past[h.Round]
		h.Took, h.Phases, h.Held = past.took, maps.Clone(past.phases), n.holds(h.Model)
	}
	t, open := n.jobs.standing(r.ID)
	if t != nil {
		s.Trains, s.Measures = t.job.Round, t.measures.Load()
		if last := t.heard.Load(); last != nil {
			s.Step, s.Steps, s.Metrics, s.Heard, s.Process = last.Step, last.Steps, last.Metrics, last.at, n.trainerProcess()
		}
	}
	switch {
	case !r.Active():
	case !slices.Contains(m.Participants(r.ID), n.home.ID) && !open:
		s.Phase = PhaseDeclined
	case t != nil && k.phase == PhaseWaiting:
		s.Phase = PhaseTraining
	default:
		s.Phase = k.phase
	}
	if r.Active() && r.Latest() == nil {
		s.Waits = n.waits(&s)
	}
	return s
}

// describeTakes says what the sites have answered, and whose updates are here.
func (n *Node) describeTakes(m *round.Machine, r *ledger.Run, s *RunStatus) {
	s.Takes = []string{}
	takes := m.Participants(r.ID)
	for _, site := range m.Ledger().Roster().ByName() {
		if n.tracker.runs[r.ID].held[site.ID] {
			s.Updates = append(s.Updates, site.Name)
		}
		switch {
		case slices.Contains(takes, site.ID):
			s.Takes = append(s.Takes, site.Name)
		case m.Declines(r.ID, site.ID):
			s.Declined = append(s.Declined, site.Name)
		default:
			s.Silent = append(s.Silent, site.Name)
		}
	}
}

// holds reports whether an artifact is in the store, complete.
func (n *Node) holds(manifest block.CID) bool {
	a, err := n.store.Open(manifest)
	if err != nil {
		return false
	}
	return a.Close() == nil
}

// Peers describes the other sites.
func (n *Node) Peers() []Peer {
	stats := n.exchange.Stats()
	list := []Peer{}
	for _, i := range n.gossip.Peers() {
		p := Peer{Site: n.siteName(i.ID), ID: i.ID, Connected: i.Connected, Addrs: []string{}, Failure: i.Failure, RTT: i.RTT, Rejected: int(i.Rejected)}
		for _, a := range i.Addrs {
			p.Addrs = append(p.Addrs, a.String())
		}
		if said, ok := n.programs.of(i.ID); ok {
			p.Weft, p.Protocol = said.Weft, said.Protocol
		}
		moved := stats.Peers[i.ID]
		p.Sent, p.Received = moved.Sent.Bytes, moved.Received.Bytes
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b Peer) int { return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.ID, b.ID)) })
	return list
}

// Entries returns decided entries from a height on, at most limit.
func (n *Node) Entries(ctx context.Context, from uint64, limit int) (list []LedgerEntry, err error) {
	err = n.ask(ctx, func(m *round.Machine) { list = describeEntries(m.Ledger(), from, limit) })
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
