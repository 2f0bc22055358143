package round

import (
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// height is the agreement on the entry after the head: single-shot Tendermint (Buchman, Kwon,
// Milosevic, arXiv 1807.04938, algorithm 1; "round" there is "view" here).
type height struct {
	number uint64
	parent block.CID
	opened bool // something is to be decided: a quorum is ready, or a message of the height came

	candidates map[block.CID]*candidate
	mentions   map[peer.ID]int    // candidates that each site was the first to speak of here
	told       map[peer.ID]int    // entries that each site has told
	brought    map[peer.ID]int    // entries that each site's proposals have brought, not known before
	changes    map[block.CID]bool // changes of the roster that candidates would make, and this site stands behind
	tellAt     time.Duration      // the soonest of the candidates'

	view  uint64
	ripe  int64 // view in which a quorum was first ready for a candidate; -1: none is
	step  step
	since time.Duration // when the view began

	prevoteBy, precommitBy time.Duration // when waiting for the rest of a quorum's votes ends; 0: not yet

	proposals  map[uint64]*proposal
	prevotes   map[uint64]*tally
	precommits map[uint64]*tally
	views      map[peer.ID]uint64 // newest view each site has spoken of
	newer      bool               // a site may have spoken of a view after ours
	news       bool               // votes or entries have come since it was looked whether one is decided

	locked     block.CID // what this site has precommitted last
	lockedView int64     // -1: nothing
	valid      block.CID // newest entry that a quorum has prevoted
	validView  int64

	mine map[place]*ledger.Signed // own votes and proposals; never two for one place
}

// candidate is an entry that may be decided at this height, and who is ready for it.
type candidate struct {
	entry  *ledger.Entry // nil until its bytes are known
	formed bool          // by this site, before another sent it
	ready  map[peer.ID]bool
	tellAt time.Duration // when this site tells its bytes; 0: it does not, or has
	tried  int           // views in which it was proposed
	offers int           // of them those in which this site proposed it
}

type proposal struct {
	statement *ledger.Signed
	*ledger.Proposal
	entry *ledger.Entry
	proof int // sites whose prevotes for the entry, in its valid view, it brings
}

// tally is the votes of one kind in one view.
type tally struct {
	votes map[peer.ID]*ledger.Signed
	count map[block.CID]int
	most  int // of any one entry's or nil's votes
}

// place is where a site may speak once.
type place struct {
	kind ledger.Kind
	view uint64
}

type step uint8

const (
	stepPropose step = iota
	stepPrevote
	stepPrecommit
)

func newHeight(l *ledger.Ledger) *height {
	return &height{
		number: l.Height() + 1, parent: l.Head(), ripe: -1, lockedView: -1, validView: -1, tellAt: never,
		candidates: map[block.CID]*candidate{}, mentions: map[peer.ID]int{}, told: map[peer.ID]int{}, brought: map[peer.ID]int{}, changes: map[block.CID]bool{}, proposals: map[uint64]*proposal{},
		prevotes: map[uint64]*tally{}, precommits: map[uint64]*tally{}, views: map[peer.ID]uint64{}, mine: map[place]*ledger.Signed{},
	}
}

func (h *height) votes(kind ledger.Kind, view uint64) *tally {
	in := h.prevotes
	if kind == ledger.KindPrecommit {
		in = h.precommits
	}
	t := in[view]
	if t == nil {
		t = &tally{votes: map[peer.ID]*ledger.Signed{}, count: map[block.CID]int{}}
		in[view] = t
	}
	return t
}

func (t *tally) add(s *ledger.Signed, entry block.CID) {
	if t.votes[s.From] == nil {
		t.votes[s.From] = s
		t.count[entry]++
		t.most = max(t.most, t.count[entry])
	}
}

// quorum returns the entry, nil excepted, that has q votes; if liars make it two, the lower CID.
func (t *tally) quorum(q int) (c block.CID, ok bool) {
	if t.most < q {
		return c, false
	}
	for e, n := range t.count {
		if n >= q && e.Defined() && (!ok || e.Compare(c) < 0) {
			c, ok = e, true
		}
	}
	return c, ok
}

// of returns the votes for an entry, by site.
func (t *tally) of(entry block.CID) []ledger.Signed {
	list := make([]ledger.Signed, 0, t.count[entry])
	for _, s := range t.votes {
		if v, _ := ledger.BodyOf[ledger.Vote](s, s.Kind); v.Entry == entry {
			list = append(list, *s)
		}
	}
	slices.SortFunc(list, func(a, b ledger.Signed) int { return ledger.CompareIDs(a.From, b.From) })
	return list
}

// keeps reports whether votes of a view are kept: a window around one's own, so that no site can
// fill the memory, and the views that the lock and the valid entry stand on.
func (h *height) keeps(view uint64) bool {
	return view <= h.view+maxViewsAhead && view+maxViewsBehind >= h.view || is(h.validView, view) || is(h.lockedView, view)
}

// is compares a view that may be none, -1, with one.
func is(maybe int64, view uint64) bool { return maybe >= 0 && uint64(maybe) == view }

// timers tells soonest when the view's timeouts end.
func (h *height) timers(timeout time.Duration, soonest func(time.Duration)) {
	soonest(h.tellAt)
	if !h.opened {
		return
	}
	switch {
	case h.step == stepPropose:
		soonest(h.since + timeout)
	case h.step == stepPrevote && h.prevoteBy > 0:
		soonest(h.prevoteBy)
	}
	if h.precommitBy > 0 {
		soonest(h.precommitBy)
	}
}

// candidate returns the candidate with that CID, making it.
func (h *height) candidate(c block.CID) *candidate {
	known := h.candidates[c]
	if known == nil {
		known = &candidate{ready: map[peer.ID]bool{}}
		h.candidates[c] = known
	}
	return known
}

// mentioned returns the candidate that a site speaks of, or nil if it was the first to speak of too many. That
// need not be a lie: a site is ready for whatever it holds, and who comes late hears of it all from one.
func (m *Machine) mentioned(c block.CID, by peer.ID) *candidate {
	h := m.height
	if h.candidates[c] == nil {
		if h.mentions[by] >= maxTold+2*m.roster.Len() {
			return nil
		}
		h.mentions[by]++
	}
	return h.candidate(c)
}

// learn takes an entry's bytes; a site gets to know by them whatever updates they list.
func (m *Machine) learn(data []byte) (*ledger.Entry, error) {
	if c := m.height.candidates[block.Sum(block.DagCBOR, data)]; c != nil && c.entry != nil {
		return c.entry, nil // most often it was formed here too
	}
	e, err := ledger.DecodeEntry(data)
	if err == nil {
		err = m.ledger.Check(e)
	}
	if err != nil {
		return nil, err
	}
	m.know(m.height.candidate(e.CID()), e)
	return e, nil
}

// know takes the entry of a candidate, which has been checked.
func (m *Machine) know(c *candidate, e *ledger.Entry) {
	c.entry = e
	m.dirty, m.height.news = true, true
	switch b := e.Body.(type) {
	case *ledger.Changed:
		if m.standsBehind(b) {
			m.height.changes[b.Change.ID()] = true
		}
	case *ledger.Seal:
		m.noteSealed(m.part(b.Run), b)
	}
}

func (m *Machine) receiveReady(s *ledger.Signed, b *ledger.Ready) error {
	c := m.mentioned(b.Entry, s.From)
	if c == nil {
		return nil
	}
	if len(b.Data) > 0 && c.entry == nil && m.height.told[s.From] < maxTold {
		m.height.told[s.From]++
		e, err := m.learn(b.Data)
		if err != nil {
			return err
		}
		if e.CID() != b.Entry {
			return fmt.Errorf("ready: %w: the entry sent is not the entry named", ledger.ErrMalformed)
		}
	}
	c.ready[s.From] = true
	m.openIfReady(c)
	m.compare(s.From, c)
	return nil
}

// openIfReady opens the height once a quorum is ready for a candidate. It may have been open before:
// one vote of a liar is enough, and then views pass in which nobody has anything to propose. The
// timeouts count from here, so that it has not made them long.
func (m *Machine) openIfReady(c *candidate) {
	if len(c.ready) < m.roster.Quorum() {
		return
	}
	m.openHeight()
	if h := m.height; h.ripe < 0 {
		h.ripe, h.since = int64(h.view), m.now
	}
}

// tries returns how many views have failed although there was something to decide.
func (h *height) tries() uint64 {
	if h.ripe < 0 {
		return 0
	}
	return h.view - uint64(h.ripe)
}

// timeout returns how long the steps of the current view wait.
func (m *Machine) timeout() time.Duration {
	if m.height.ripe < 0 {
		return m.cfg.Timing.viewTimeout(m.pace, m.height.view)
	}
	return m.cfg.Timing.viewTimeout(m.pace, m.height.tries())
}

func (m *Machine) openHeight() {
	if !m.height.opened {
		m.height.opened = true
		m.height.since = m.now
		m.trace(Trace{Event: "open height", Height: m.height.number})
	}
}

func (m *Machine) receiveProposal(s *ledger.Signed, b *ledger.Proposal) error {
	h := m.height
	if want := m.roster.Proposer(h.parent, b.View); s.From != want {
		return fmt.Errorf("proposal: %w: view %d is %s's to propose, not %s's", ledger.ErrMalformed, b.View, m.roster.Name(want), m.roster.Name(s.From))
	}
	h.spoke(s.From, b.View)
	m.openHeight()
	if !h.keeps(b.View) {
		return nil
	}
	if old := h.proposals[b.View]; old != nil {
		return m.double(old.statement, s)
	}
	if c := h.candidates[block.Sum(block.DagCBOR, b.Entry)]; c == nil || c.entry == nil {
		if h.brought[s.From]++; h.brought[s.From] > maxTold {
			return nil // one that means well proposes what others know
		}
	}
	e, err := m.learn(b.Entry)
	if err != nil {
		return err
	}
	p := &proposal{statement: s, Proposal: b, entry: e}
	if p.proof, err = m.receivePolka(b, e); err != nil {
		return err
	}
	h.keepProposal(p)
	return nil
}

func (h *height) keepProposal(p *proposal) {
	h.proposals[p.View] = p
	h.candidates[p.entry.CID()].tried++
}

// receivePolka takes the prevotes that a proposal brings along and counts those for its entry. It
// counts them by themselves: a liar's other vote, had here before, takes nothing from their proof.
func (m *Machine) receivePolka(b *ledger.Proposal, e *ledger.Entry) (proof int, err error) {
	voted := map[peer.ID]bool{}
	for i := range b.Polka {
		s := &b.Polka[i]
		v, err := ledger.BodyOf[ledger.Vote](s, ledger.KindPrevote)
		if err != nil {
			return 0, err
		}
		if v.Height != b.Height || !is(b.ValidView, v.View) || v.Entry != e.CID() || voted[s.From] {
			return 0, fmt.Errorf("proposal: %w: a prevote of height %d view %d stands for valid view %d", ledger.ErrMalformed, v.Height, v.View, b.ValidView)
		}
		if err := m.verify(s); err != nil {
			return 0, err
		}
		voted[s.From] = true
		_ = m.addVote(s, v, true) // a double is named there
	}
	if b.ValidView >= 0 && len(voted) < m.roster.Quorum() {
		return 0, fmt.Errorf("proposal: %w: %d prevotes for valid view %d, want %d", ledger.ErrMalformed, len(voted), b.ValidView, m.roster.Quorum())
	}
	return len(voted), nil
}

func (m *Machine) receiveVote(s *ledger.Signed, b *ledger.Vote) error {
	m.height.spoke(s.From, b.View)
	m.openHeight()
	return m.addVote(s, b, m.height.keeps(b.View))
}

func (m *Machine) addVote(s *ledger.Signed, v *ledger.Vote, keep bool) error {
	if !keep {
		return nil
	}
	t := m.height.votes(s.Kind, v.View)
	if old := t.votes[s.From]; old != nil {
		return m.double(old, s)
	}
	t.add(s, v.Entry)
	m.height.news = true
	return nil
}

func (h *height) spoke(by peer.ID, view uint64) {
	if old, known := h.views[by]; !known || view > old {
		h.views[by] = view
		h.newer = h.newer || view > h.view
	}
}
