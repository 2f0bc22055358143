package node

import (
	"maps"
	"sync/atomic"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/membership"
)

// snapshot is what is told of the machine as it stood after a step, so that nobody who asks where the site stands waits for the
// loop, or has it wait. It is never changed, only replaced.
type snapshot struct {
	status  api.Status  // what the machine knows of it
	runs    []*shownRun // of the status; what a run's jobs say of it is added when it is told
	roster  api.Roster
	changes []membership.PendingChange
	mute    bool   // the log was lost, or a part of it, and the site does not vote yet
	twin    bool   // the site has heard votes of its own key that it did not sign, well after its start
	trouble string // what the operator should know for good, until a restart
}

// shownRun is a run as the machine knows it.
type shownRun struct {
	status api.RunStatus
	active bool
	sealed bool // its current round has a seal
}

// maxShownChanges of the roster are in a status; weft roster list shows all.
const maxShownChanges = 8

// snapshots makes them. It belongs to the loop, but for newest.
type snapshots struct {
	home    *site.Home
	knows   reduction.Knows
	version string // of this program
	told    map[block.CID]*toldRun
	newest  atomic.Pointer[snapshot]
}

func newSnapshots(h *site.Home, knows reduction.Knows, version string) *snapshots {
	return &snapshots{home: h, knows: knows, version: version, told: map[block.CID]*toldRun{}}
}

// now returns the newest snapshot.
func (s *snapshots) now() *snapshot { return s.newest.Load() }

// take makes the snapshot of a machine between two steps.
func (s *snapshots) take(m *round.Machine, v *view, t *tracker) {
	l, r, changes := m.Ledger(), m.Ledger().Roster(), m.Changes()
	roster := s.roster(l)
	for _, c := range changes {
		roster.Changes = append(roster.Changes, describeChange(r, s.home.ID, c))
	}
	status := api.Status{
		Site: v.ownName(s.home), ID: s.home.ID, Mesh: l.Mesh(), MeshName: s.home.Genesis.Name, Faults: s.home.Genesis.Faults,
		Sites: r.Len(), Quorum: r.Quorum(), Lying: r.F(), Height: l.Height(), Head: l.Head(), Observes: !r.Has(s.home.ID),
		Weft: s.version, Protocol: l.Protocol(l.Height() + 1).Number, Newest: ledger.Newest, Asked: len(changes),
	}
	for _, id := range m.Named() {
		status.Named = append(status.Named, v.name(id))
	}
	if n := min(len(changes), maxShownChanges); n > 0 {
		status.Changes = roster.Changes[:n:n]
	}
	var runs []*shownRun
	for _, run := range l.Runs() {
		runs = append(runs, s.run(m, run, t.runs[run.ID], t.troubles))
	}
	s.newest.Store(&snapshot{status: status, runs: runs, roster: roster, changes: changes, mute: t.mute, twin: t.twin, trouble: t.trouble})
}

// roster describes the roster without what is asked for, once for each version of it.
func (s *snapshots) roster(l *ledger.Ledger) api.Roster {
	last := s.now()
	if last == nil || last.roster.Version != l.Roster().Version() {
		return api.DescribeRoster(l)
	}
	same := last.roster
	same.Changes = []api.RosterChange{}
	return same
}

// toldRun is what was told of a run, as far as it stays.
type toldRun struct {
	unknown string
	history []api.RoundStatus            // of its commits so far; what is in it does not change
	figures []api.ModelFigures           // that came with those commits; what is in it does not change
	skipped map[uint64]map[string]string // what was heard of sites that skip rounds which are not committed
	over    *shownRun                    // nil while anything of it may change
}

// run describes a run. What is described once for all is its committed rounds, and all of a run that is over.
func (s *snapshots) run(m *round.Machine, r *ledger.Run, k *track, troubles *api.TroubleLog) *shownRun {
	told := s.told[r.ID]
	if told == nil {
		told = &toldRun{unknown: s.knows.Unknown(r), history: []api.RoundStatus{}, skipped: map[uint64]map[string]string{}}
		s.told[r.ID] = told
	}
	if told.over != nil {
		return told.over
	}
	told.grow(m.Ledger(), r, k, troubles)
	st := api.DescribeRun(m.Ledger(), r, told.history, api.AddClosing(told.figures, m.Ledger(), r))
	st.Unknown = told.unknown
	if r.Active() { // nobody repeats the consents any more when it is over
		st.Phase = k.phase
		describeTakes(m, r, k, &st)
		st.Skipped = told.hear(m, r)
		st.Troubles = describeTroubles(m, r)
		describeMissing(m, r, &st)
	} else {
		st.Takes = api.Counted(told.history)
	}
	return told.keep(&shownRun{st, r.Active(), r.Latest() != nil}, r.Measurable())
}

// grow adds the rounds that have been committed since.
func (t *toldRun) grow(l *ledger.Ledger, r *ledger.Run, k *track, troubles *api.TroubleLog) {
	for i := len(t.history); i < len(r.Commits); i++ {
		h := api.DescribeRound(l, &r.Commits[i])
		past := k.past[h.Round]
		h.Took, h.Phases, h.Skipped = past.took, maps.Clone(past.phases), t.skipped[h.Round]
		delete(t.skipped, h.Round)
		troubles.Missed(r.ID, &h, l.Name)
		t.history, t.figures = append(t.history, h), api.AddFigures(t.figures, l, r, i)
	}
}

// hear notes and returns which sites skip the run's current round, and why.
func (t *toldRun) hear(m *round.Machine, r *ledger.Run) map[string]string {
	reasons := map[string]string{}
	for _, site := range m.Ledger().Roster().Sites() {
		if skips := m.Said(r.ID, site.ID).Skips; skips != nil {
			reasons[site.Name] = skips.Reason
		}
	}
	t.skipped[r.Round] = reasons
	return reasons
}

// keep keeps the description of a run that is over, unless its last model may still be measured.
func (t *toldRun) keep(r *shownRun, measurable bool) *shownRun {
	if !r.active && !measurable {
		t.over = r
	}
	return r
}

// describeTakes says what the sites have answered, and whose updates are here.
func describeTakes(m *round.Machine, r *ledger.Run, k *track, st *api.RunStatus) {
	st.Useless = map[string]string{}
	for _, site := range m.Ledger().Roster().ByName() {
		if k.held[site.ID] {
			st.Updates = append(st.Updates, site.Name)
		}
		if why := m.Said(r.ID, site.ID).Useless; why != "" {
			st.Useless[site.Name] = why
		}
		switch {
		case m.Participates(r.ID, site.ID):
			st.Takes = append(st.Takes, site.Name)
		case m.Said(r.ID, site.ID).Declines:
			st.Declined = append(st.Declined, site.Name)
		default:
			st.Silent = append(st.Silent, site.Name)
		}
	}
}
