package round

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// pending is a change of the roster that sites ask for and the ledger does not have yet.
type pending struct {
	*ledger.Change
	id          block.CID
	approvals   map[peer.ID]*ledger.Signed
	withdrawals map[peer.ID]*ledger.Signed // the newest of each site whose approval is here
	join        *ledger.Signed             // the newest of the key that comes
	at          *ledger.Join               // its body
}

// approves reports whether a site approves: it has said so, and not taken it back.
func (c *pending) approves(id peer.ID) bool {
	w := c.withdrawal(id)
	return c.approvals[id] != nil && (w == nil || !w.Withdrawn)
}

// withdrawal returns the newest of a site, or nil.
func (c *pending) withdrawal(id peer.ID) *ledger.Withdraw {
	if s := c.withdrawals[id]; s != nil {
		b, _ := ledger.BodyOf[ledger.Withdraw](s, ledger.KindWithdraw) // it was read when it came
		return b
	}
	return nil
}

// serial returns that of a site's newest withdrawal, 0 if there is none.
func (c *pending) serial(id peer.ID) uint64 {
	if w := c.withdrawal(id); w != nil {
		return w.Serial
	}
	return 0
}

// unknown returns the fields of the change that this program does not know. It cannot form the entry then.
func (c *pending) unknown() []string {
	for _, s := range c.approvals {
		return s.Unknown() // their bytes are the same
	}
	return nil
}

// support returns how many sites approve.
func (c *pending) support() (n int) {
	for id := range c.approvals {
		if c.approves(id) {
			n++
		}
	}
	return n
}

// joined returns the height that the newest join names; -1 if there is none.
func (c *pending) joined() int64 {
	if c.join == nil {
		return -1
	}
	return int64(c.at.Height)
}

// CheckApproval says whether this site's operator may approve of a change now.
func (m *Machine) CheckApproval(c *ledger.Change) error {
	if m.observes() {
		return fmt.Errorf("%w: this site is not in the roster", ledger.ErrStranger)
	}
	if err := m.ledger.CheckChange(c); err != nil {
		return err
	}
	if knows := m.protocol(); c.Protocol > knows {
		return &ledger.NewerError{Weft: c.Weft, Why: fmt.Sprintf("it raises the protocol to %d, this program knows %d", c.Protocol, knows)}
	}
	if !m.approved(c) && m.approves(m.self) >= ledger.MaxChanges {
		return fmt.Errorf("%w: this site approves of %d already", ledger.ErrTooMany, ledger.MaxChanges)
	}
	return nil
}

// approved reports whether this site has approved of a change, taken back since or not.
func (m *Machine) approved(c *ledger.Change) bool {
	p := m.changes[c.ID()]
	return p != nil && p.approvals[m.self] != nil
}

// approve is the operator's yes to a change.
func (m *Machine) approve(c *ledger.Change) {
	if m.CheckApproval(c) != nil {
		return // the driver has checked and told the operator
	}
	if m.approved(c) {
		m.sayAgain(m.changes[c.ID()], false)
		return
	}
	s := m.sign(ledger.KindApprove, c)
	if m.noteApproval(s, c) == nil {
		m.save(Record{Statement: s})
	}
}

// CheckTakeBack says whether this site's operator may take back an approval of a change: there must be one.
func (m *Machine) CheckTakeBack(c *ledger.Change) error {
	if p := m.changes[c.ID()]; p == nil || !p.approves(m.self) {
		return fmt.Errorf("%s: %w", c, ledger.ErrNoApproval)
	}
	return nil
}

// takeBack is the operator's no to a change after a yes.
func (m *Machine) takeBack(c *ledger.Change) {
	if m.CheckTakeBack(c) == nil { // the driver has checked and told the operator
		m.sayAgain(m.changes[c.ID()], true)
	}
}

// sayAgain takes this site's approval of a change back, or gives it again.
func (m *Machine) sayAgain(p *pending, withdrawn bool) {
	if p.approves(m.self) != withdrawn {
		return
	}
	w := &ledger.Withdraw{Change: p.id, Version: p.Version, Serial: p.serial(m.self) + 1, Withdrawn: withdrawn}
	s := m.sign(ledger.KindWithdraw, w)
	m.noteWithdrawal(s, w)
	m.save(Record{Statement: s})
}

func (m *Machine) receiveWithdrawal(r Received, s *ledger.Signed, w *ledger.Withdraw) {
	if w.Version > m.roster.Version() {
		m.keepEarly(r)
		m.lag(s.From)
		return
	}
	m.noteWithdrawal(s, w) // of an older version there is nothing to take back
}

// noteWithdrawal takes what a site says of its approval since; one's own is told to the others. An approval that has not come
// yet is not awaited: the heads tell who lacks what.
func (m *Machine) noteWithdrawal(s *ledger.Signed, w *ledger.Withdraw) {
	p := m.changes[w.Change]
	if p == nil || p.approvals[s.From] == nil || w.Serial <= p.serial(s.From) {
		return
	}
	before := p.approves(s.From)
	p.withdrawals[s.From] = s
	m.dirty = true
	delete(m.height.changes, p.id) // what is formed may bring what was taken back
	if p.approves(s.From) != before {
		event := "approved"
		if before {
			event = "approval taken back"
		}
		m.traceSupport(event, s.From, p)
	}
	if s.From == m.self {
		m.publish(s, 0)
	}
}

// receiveOwn takes what this site has said of the roster and a lost log has forgotten, so that its operator's next word has a
// higher serial; the rest that comes back of it was relayed.
func (m *Machine) receiveOwn(s *ledger.Signed, body any) error {
	if m.observes() {
		return nil
	}
	switch b := body.(type) {
	case *ledger.Change:
		if p := m.changes[s.ID()]; b.Version != m.roster.Version() || p == nil || p.approvals[m.self] != nil {
			return nil
		}
		if err := m.verify(s); err != nil {
			return err
		}
		m.save(Record{Statement: s})
		return m.noteApproval(s, b)
	case *ledger.Withdraw:
		p := m.changes[b.Change]
		if p == nil || p.approvals[m.self] == nil || b.Serial <= p.serial(m.self) {
			return nil
		}
		if err := m.verify(s); err != nil {
			return err
		}
		m.save(Record{Statement: s})
		m.noteWithdrawal(s, b)
	}
	return nil
}

func (m *Machine) receiveApproval(r Received, s *ledger.Signed, c *ledger.Change) error {
	switch {
	case c.Version > m.roster.Version():
		m.keepEarly(r)
		m.lag(s.From)
		return nil
	case c.Version < m.roster.Version():
		return nil // its author hears of the roster in force by our head
	}
	return m.noteApproval(s, c)
}

// noteApproval takes an approval of a change of the roster in force; one's own is told to the others.
func (m *Machine) noteApproval(s *ledger.Signed, c *ledger.Change) error {
	id := block.Sum(block.DagCBOR, s.Body)
	p := m.changes[id]
	if p != nil && p.approvals[s.From] != nil {
		return nil
	}
	if p == nil {
		if err := m.ledger.CheckChange(c); err != nil {
			return err
		}
	}
	crowded := m.approves(s.From) >= ledger.MaxChanges
	if crowded && !m.makeRoom(s.From, id) {
		return nil
	}
	isNew := p == nil
	if isNew {
		p = &pending{Change: c, id: id, approvals: map[peer.ID]*ledger.Signed{}, withdrawals: map[peer.ID]*ledger.Signed{}}
		m.changes[id] = p
	}
	p.approvals[s.From] = s
	m.dirty = true
	if !crowded || len(p.approvals) == m.roster.Quorum() { // who asks for ever is not told of for ever
		m.traceApproval(s.From, p, isNew)
	}
	if s.From == m.self {
		m.publish(s, 0)
	}
	return nil
}

func (m *Machine) traceApproval(from peer.ID, p *pending, isNew bool) {
	if isNew {
		m.trace(Trace{Event: "change asked", Site: from, Entry: p.id, Text: p.String()})
	}
	m.traceSupport("approved", from, p)
}

func (m *Machine) traceSupport(event string, from peer.ID, p *pending) {
	m.trace(Trace{Event: event, Site: from, Entry: p.id, Text: fmt.Sprintf("%s: %d of %d", p, p.support(), m.roster.Quorum())})
}

// approves returns how many pending changes a site has approved of, taken back since or not.
func (m *Machine) approves(id peer.ID) (n int) {
	for _, c := range m.changes {
		if c.approvals[id] != nil {
			n++
		}
	}
	return n
}

// makeRoom drops an approval of a site that approves of more changes than it may, if it comes after the one of id: all
// sites keep the same, and do not tell each other of the rest for ever.
func (m *Machine) makeRoom(from peer.ID, id block.CID) bool {
	var last *pending
	for _, c := range m.changes {
		if c.approvals[from] != nil && (last == nil || last.id.Compare(c.id) < 0) {
			last = c
		}
	}
	if last.id.Compare(id) < 0 {
		return false
	}
	if len(last.approvals) == m.roster.Quorum() {
		m.trace(Trace{Event: "approval dropped", Site: from, Entry: last.id, Text: last.String()})
	}
	delete(last.withdrawals, from)
	if delete(last.approvals, from); len(last.approvals) == 0 {
		delete(m.changes, last.id)
	}
	return true
}

// pending returns the changes, those that most sites approve of first.
func (m *Machine) pending() []*pending {
	return slices.SortedFunc(maps.Values(m.changes), func(a, b *pending) int {
		return cmp.Or(b.support()-a.support(), a.id.Compare(b.id))
	})
}

// formChanges returns the changes that can be decided now. One that another site has formed already
// with other signatures is left alone: one set is as good as another.
func (m *Machine) formChanges() []*ledger.Entry {
	var list []*ledger.Entry
	for _, p := range m.pending() {
		if m.height.changes[p.id] || p.support() < m.roster.Quorum() || len(p.unknown()) > 0 {
			continue
		}
		c := &ledger.Changed{Change: *p.Change}
		if p.Add != nil {
			if p.join == nil || !m.ledger.Recent(p.at) {
				continue
			}
			c.Join = p.join
		}
		for _, site := range m.roster.Sites() {
			if s := p.approvals[site.ID]; p.approves(site.ID) {
				c.Approvals = append(c.Approvals, ledger.CertVote{From: s.From, Sig: s.Sig})
			}
		}
		list = append(list, &ledger.Entry{Body: c})
	}
	return list
}

// changeHeads says which approvals and joins this site has.
func (m *Machine) changeHeads() []ChangeHead {
	var list []ChangeHead
	for _, p := range m.shown() {
		list = append(list, ChangeHead{
			Change:    p.id,
			Approvals: m.roster.Bitmap(func(id peer.ID) bool { return p.approvals[id] != nil }),
			Join:      p.joined(),
			Serials:   m.serials(p),
		})
	}
	return list
}

// serials returns the serials of a change's withdrawals, by roster position.
func (m *Machine) serials(p *pending) []uint64 {
	if len(p.withdrawals) == 0 {
		return nil
	}
	var list []uint64
	for i, site := range m.roster.Sites() {
		if n := p.serial(site.ID); n > 0 {
			list = append(append(list, make([]uint64, i-len(list))...), n)
		}
	}
	return list
}

// shown returns the changes that heads are about.
func (m *Machine) shown() []*pending {
	all := m.pending()
	return all[:min(len(all), maxShown)]
}

// fillInChanges gives the approvals and joins that a head lacks.
func (m *Machine) fillInChanges(head *Head, give func(*ledger.Signed)) {
	for _, p := range m.shown() {
		theirs := ChangeHead{Join: -1}
		for _, h := range head.Changes {
			if h.Change == p.id {
				theirs = h
			}
		}
		for i, site := range m.roster.Sites() {
			if !m.roster.InBitmap(theirs.Approvals, site.ID) {
				give(p.approvals[site.ID])
			}
			if n := p.serial(site.ID); n > 0 && (i >= len(theirs.Serials) || theirs.Serials[i] < n) {
				give(p.withdrawals[site.ID])
			}
		}
		if p.joined() > theirs.Join {
			give(p.join)
		}
	}
}

// Observers returns the keys that pending changes add, if this site's operator has approved or the operators of a quorum
// have: they may be shown the ledger and committed models, so that they can join.
func (m *Machine) Observers() []peer.ID {
	var ids []peer.ID
	for _, p := range m.pending() {
		approved := p.approves(m.self) || p.support() >= m.roster.Quorum()
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
func (m *Machine) Changes() []PendingChange {
	var list []PendingChange
	for _, p := range m.pending() {
		if p.support() == 0 {
			break
		}
		c := PendingChange{ID: p.id, Change: p.Change, Unknown: p.unknown(), Joined: p.Add == nil || p.join != nil && m.ledger.Recent(p.at)}
		for _, s := range m.roster.Sites() {
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
