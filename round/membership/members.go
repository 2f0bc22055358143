package membership

import (
	"cmp"
	"maps"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// Out takes what membership has to say, in the order of the calls.
type Out interface {
	Sign(kind ledger.Kind, body ledger.Body) *ledger.Signed
	Verify(s *ledger.Signed) error // signed by a site of the roster
	Save(s *ledger.Signed)
	// Publish sends a statement to all now, and again as long as it matters, at most most times; 0: without limit.
	Publish(s *ledger.Signed, most uint64, matters func(sends uint64) bool)
	Trace(e trace.Event)
}

// Config is what a site's membership is given for good.
type Config struct {
	Self   peer.ID
	Ledger *ledger.Ledger
	Verify ledger.Verifier
	Out    Out
}

// Members is what a site knows of changes of the roster that are not decided. Its methods must not be
// called concurrently.
type Members struct {
	Config
	changes  map[block.CID]*pending
	proposed map[block.CID]bool            // changes that candidates of this height would make, and this site stands behind
	ids      map[*ledger.Changed]block.CID // of their changes: every look at the candidates asks for them
	joins    map[block.CID]bool            // own joins of this log since it began, or since the roster last changed
	version  uint64
}

// New returns a site's membership with no changes pending.
func New(cfg Config) *Members {
	return &Members{Config: cfg, changes: map[block.CID]*pending{}, proposed: map[block.CID]bool{}, ids: map[*ledger.Changed]block.CID{}, joins: map[block.CID]bool{}}
}

// Version counts the changes that entries or readiness may depend on.
func (m *Members) Version() uint64 { return m.version }

func (m *Members) roster() *ledger.Roster { return m.Ledger.Roster() }

// observes reports whether this site's key is none of the mesh's sites: not yet, or no longer.
func (m *Members) observes() bool { return !m.roster().Has(m.Self) }

// pending returns the changes, those that most sites approve of first.
func (m *Members) pending() []*pending {
	return slices.SortedFunc(maps.Values(m.changes), func(a, b *pending) int {
		return cmp.Or(b.support()-a.support(), a.id.Compare(b.id))
	})
}

// Wanted returns the changes that can be decided now. One that another site has formed already
// with other signatures is left alone: one set is as good as another.
func (m *Members) Wanted() []*ledger.Changed {
	var list []*ledger.Changed
	for _, p := range m.pending() {
		if !m.proposed[p.id] && p.support() >= m.roster().Quorum() && p.ready(m.Ledger) && len(p.unknown()) == 0 {
			list = append(list, p.decision(m.roster()))
		}
	}
	return list
}

// StandsBehind reports whether none of the approvals that a change of the roster brings was taken back, as far as this
// site knows.
func (m *Members) StandsBehind(c *ledger.Changed) bool {
	p := m.changes[m.id(c)]
	return p == nil || !slices.ContainsFunc(c.Approvals, func(v ledger.CertVote) bool {
		w := p.withdrawal(v.From)
		return w != nil && w.Withdrawn
	})
}

// Learned notes that a candidate would make a change.
func (m *Members) Learned(c *ledger.Changed) {
	if m.StandsBehind(c) {
		m.proposed[m.id(c)] = true
	}
}

// Advance turns to the next height, which has no candidates yet.
func (m *Members) Advance() {
	clear(m.proposed)
	clear(m.ids)
}

// id returns the name of the change that a candidate would make.
func (m *Members) id(c *ledger.Changed) block.CID {
	id, known := m.ids[c]
	if !known {
		id = c.Change.ID()
		m.ids[c] = id
	}
	return id
}

// Decided forgets the changes, which were for the roster before.
func (m *Members) Decided() { clear(m.changes) }

// Forget forgets the own joins; it follows [Members.Joined].
func (m *Members) Forget() { clear(m.joins) }

// Joined reports whether a decided change brings a join of this log. The key then has never been a site's
// before the log began, so nothing can be lost of what it has voted.
func (m *Members) Joined(c *ledger.Changed) bool {
	return m.joins[block.Sum(block.DagCBOR, c.Join.Body)]
}

// Observers returns the keys that pending changes add, if this site's operator has approved or the operators of a quorum
// have: they may be shown the ledger and committed models, so that they can join.
func (m *Members) Observers() []peer.ID {
	var ids []peer.ID
	for _, p := range m.pending() {
		approved := p.approves(m.Self) || p.support() >= m.roster().Quorum()
		if p.Add != nil && approved && !slices.Contains(ids, p.Add.ID) {
			ids = append(ids, p.Add.ID)
		}
	}
	return ids
}

// PendingChange is a change of the roster that sites ask for.
type PendingChange struct {
	ID        block.CID
	Change    *ledger.Change
	Approvals []peer.ID // ascending; without those taken back
	Withdrawn []peer.ID // who has taken its approval back; ascending
	Joined    bool      // the key that comes has signed of late, or none comes
	Unknown   []string  // fields of the change that this program does not know
}

// Changes returns the changes of the roster that sites ask for, those that most approve of first; without those of which
// every approval was taken back.
func (m *Members) Changes() []PendingChange {
	var list []PendingChange
	for _, p := range m.pending() {
		if p.support() == 0 {
			break
		}
		c := PendingChange{ID: p.id, Change: p.Change, Joined: p.ready(m.Ledger), Unknown: p.unknown()}
		for _, s := range m.roster().Sites() {
			switch {
			case p.approves(s.ID):
				c.Approvals = append(c.Approvals, s.ID)
			case p.approvals[s.ID] != nil:
				c.Withdrawn = append(c.Withdrawn, s.ID)
			}
		}
		list = append(list, c)
	}
	return list
}

// Footprint is how much a site keeps of what others have said of changes.
type Footprint struct {
	Changes   int // of the roster, asked for
	Approvals int // of them
	Withdrawn int // approvals that were taken back, or given again
}

// Footprint counts what is kept.
func (m *Members) Footprint() Footprint {
	k := Footprint{Changes: len(m.changes)}
	for _, c := range m.changes {
		k.Approvals += len(c.approvals)
		k.Withdrawn += len(c.withdrawals)
	}
	return k
}

// traceApproval tells whether a site approves of a change, and how many do.
func (m *Members) traceApproval(from peer.ID, p *pending) {
	support := trace.Support{Change: p.id, Words: p.String(), Sites: p.support(), Quorum: m.roster().Quorum()}
	if p.approves(from) {
		m.Out.Trace(trace.Approved{Subject: trace.Of(from), Support: support})
	} else {
		m.Out.Trace(trace.ApprovalWithdrawn{Subject: trace.Of(from), Support: support})
	}
}
