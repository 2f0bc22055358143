package ledger

import (
	"fmt"
	"iter"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// Change is a change of the roster, as the sites sign it: a site goes, a site comes, or, with one
// name in both, a site gets another key. It names the version that it changes, so that what was
// approved for one roster is worth nothing for the next.
type Change struct {
	Version uint64 `cbor:"version" json:"version"`
	Remove  *Site  `cbor:"remove,omitempty" json:"remove,omitempty"`
	Add     *Site  `cbor:"add,omitempty" json:"add,omitempty"`
}

// ID returns the change's name: the CID of the document.
func (c *Change) ID() block.CID { return block.Of(c).CID }

// String says what the change does.
func (c *Change) String() string {
	switch {
	case c.Remove != nil && c.Add != nil:
		return "replace the key of " + c.Add.Name
	case c.Remove != nil:
		return "remove " + c.Remove.Name
	case c.Add != nil:
		return "add " + c.Add.Name
	}
	return "change nothing"
}

// check holds what needs no ledger to judge.
func (c *Change) check() error {
	if c.Remove == nil && c.Add == nil {
		return fmt.Errorf("it changes nothing")
	}
	for _, s := range []*Site{c.Remove, c.Add} {
		if s == nil {
			continue
		}
		if err := s.ID.Validate(); err != nil {
			return fmt.Errorf("site %.80q: peer ID: %w", s.Name, err)
		}
		if !ValidName(s.Name) {
			return fmt.Errorf("site name %.80q: want 1 to %d bytes of printable text", s.Name, MaxName)
		}
	}
	switch {
	case c.Remove == nil || c.Add == nil:
	case c.Remove.ID == c.Add.ID:
		return fmt.Errorf("that is the key which %q has", c.Remove.Name)
	case c.Remove.Name != c.Add.Name:
		return fmt.Errorf("another key keeps the site's name; another site is removed and added in two changes")
	}
	return nil
}

// Withdraw takes the author's approval of a change back or, withdrawn no longer, gives it again. A higher serial replaces a
// lower. The signature of the approval stays good: it is the sites that know better who do not stand behind an entry
// which brings it.
type Withdraw struct {
	Change    block.CID `cbor:"change" json:"change"`
	Version   uint64    `cbor:"version" json:"version"` // that the change names
	Serial    uint64    `cbor:"serial" json:"serial"`   // from 1
	Withdrawn bool      `cbor:"withdrawn" json:"withdrawn"`
}

// Join is the wish of a change's new key to be a site: signed by that key, it proves that its holder
// wants this place and has followed this ledger up to a head of late.
type Join struct {
	Change block.CID `cbor:"change" json:"change"`
	Height uint64    `cbor:"height" json:"height"` // newest that the joiner has; 0: the genesis
	Entry  block.CID `cbor:"entry" json:"entry"`   // at that height
}

// Changed is a decided change of the roster. The new roster is in force from the next height on.
type Changed struct {
	Change    Change     `cbor:"change" json:"change"`
	Approvals []CertVote `cbor:"approvals" json:"approvals"`           // of a quorum: signatures of "approve" over the change; ascending
	Join      *Signed    `cbor:"join,omitempty" json:"join,omitempty"` // kind "join", by the key that comes; absent if none does
}

// membership is what the ledger remembers of every key that is or was a site's.
type membership struct {
	name  string
	since uint64 // height of the entry that added it; 0: the genesis
}

// Name returns the name of the site whose key id is or was, or the peer ID's end for a stranger.
func (l *Ledger) Name(id peer.ID) string {
	if m, ok := l.members[id]; ok {
		return m.name
	}
	return id.ShortString()
}

// Members yields every key that is or was a site's, and the site's name, in no order.
func (l *Ledger) Members() iter.Seq2[peer.ID, string] {
	return func(yield func(peer.ID, string) bool) {
		for id, m := range l.members {
			if !yield(id, m.name) {
				return
			}
		}
	}
}

// HasBeen reports whether a key is or was a site's.
func (l *Ledger) HasBeen(id peer.ID) bool { _, ok := l.members[id]; return ok }

// RosterAt returns the roster in force at a height, which may be one above the newest decided.
func (l *Ledger) RosterAt(height uint64) *Roster {
	for i := len(l.rosters) - 1; i > 0; i-- {
		if l.rosters[i].from <= height {
			return l.rosters[i]
		}
	}
	return l.rosters[0]
}

// lastFor returns the newest height that is a key's affair: who was removed is shown the ledger up to its removal.
func (l *Ledger) LastFor(id peer.ID) uint64 {
	if _, was := l.members[id]; !was || l.roster.Has(id) {
		return l.Height()
	}
	last := len(l.rosters) - 2
	for last > 0 && !l.rosters[last].Has(id) {
		last--
	}
	return l.rosters[last+1].from - 1
}

// cidAt returns the CID of the entry at a height that has been decided; of the genesis at 0.
func (l *Ledger) cidAt(height uint64) block.CID {
	if height == 0 {
		return l.mesh
	}
	return l.At(height).Entry.CID()
}

// joinedAfter reports whether a key became a site's after a height.
func (l *Ledger) JoinedAfter(id peer.ID, height uint64) bool { return l.members[id].since > height }

// heir returns the key by which the site of a key speaks now.
func (l *Ledger) Heir(id peer.ID) peer.ID {
	for next, ok := l.heirs[id]; ok; next, ok = l.heirs[id] {
		id = next
	}
	return id
}

// CheckChange says whether the roster in force may be changed so, leaving aside who approves.
func (l *Ledger) CheckChange(c *Change) error {
	if err := c.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if _, err := l.roster.change(c, 0); err != nil {
		return err
	}
	if c.Add != nil {
		// A key that comes has never voted here, so it may vote with an empty log.
		if old, ever := l.members[c.Add.ID]; ever {
			return fmt.Errorf("%w: %s: its key was that of site %q: %w", ErrInvalid, c, old.name, ErrKeySpent)
		}
	}
	return nil
}

func (l *Ledger) checkChanged(e *Entry) error {
	c := &e.Roster.Change
	if err := l.CheckChange(c); err != nil {
		return invalid(e, "%v", err)
	}
	body := block.Encode(c)
	if err := l.checkJoin(e.Roster, block.Sum(block.DagCBOR, body)); err != nil {
		return invalid(e, "%v", err)
	}
	if n := len(e.Roster.Approvals); n < l.roster.Quorum() {
		return invalid(e, "%d sites approve, want %d", n, l.roster.Quorum())
	}
	if err := checkVotes(e.Roster.Approvals, l.roster, SigningBytes(l.mesh, KindApprove, body), l.verify); err != nil {
		return invalid(e, "approvals: %v", err)
	}
	return nil
}

func (l *Ledger) checkJoin(c *Changed, id block.CID) error {
	if (c.Join == nil) != (c.Change.Add == nil) {
		return fmt.Errorf("who comes signs, and nobody else")
	}
	if c.Join == nil {
		return nil
	}
	j, err := Body[Join](c.Join, KindJoin)
	switch {
	case err != nil:
		return err
	case c.Join.From != c.Change.Add.ID:
		return fmt.Errorf("join signed by %s, %s comes", c.Join.From, c.Change.Add.ID)
	case j.Change != id:
		return fmt.Errorf("join of another change")
	case !l.Recent(j):
		return fmt.Errorf("join names no entry of the last %d", MaxJoinAge)
	}
	return c.Join.CheckSignature(l.mesh, l.Name(c.Join.From), l.verify)
}

// recent reports whether a join names one of the newest entries of this ledger.
func (l *Ledger) Recent(j *Join) bool {
	return j.Height <= l.Height() && j.Height+MaxJoinAge > l.Height() && j.Entry == l.cidAt(j.Height)
}

// applyChanged puts the new roster in force from the next height on.
func (l *Ledger) applyChanged(e *Entry) {
	c := &e.Roster.Change
	next, err := l.roster.change(c, e.Height+1)
	if err != nil {
		panic(err) // the entry was checked
	}
	l.roster = next
	l.rosters = append(l.rosters, next)
	if c.Add != nil {
		l.members[c.Add.ID] = membership{c.Add.Name, e.Height}
		if c.Remove != nil {
			l.heirs[c.Remove.ID] = c.Add.ID
		}
	}
}
