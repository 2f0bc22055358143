package ledger

import (
	"github.com/weft-mesh/weft/block"
)

// Changed is a decided change of the roster. The new roster is in force from the next height on.
type Changed struct {
	Change    Change     `cbor:"change" json:"change"`
	Approvals []CertVote `cbor:"approvals" json:"approvals"`           // of a quorum: signatures of "approve" over the change; ascending
	Join      *Signed    `cbor:"join,omitempty" json:"join,omitempty"` // kind "join", by the key that comes; absent if none does
}

var _ = registerEntry[Changed]()

// Kind implements [Decision].
func (c *Changed) Kind() string { return "roster" }

// About implements [Decision].
func (c *Changed) About() block.CID { return block.CID{} }

// String implements [Decision].
func (c *Changed) String() string { return c.Change.String() }

func (c *Changed) check(l *Ledger, e *Entry) error {
	if err := l.CheckChange(&c.Change); err != nil {
		return invalid(e, "%v", err)
	}
	body := block.Encode(&c.Change)
	if err := l.checkJoin(c, block.Sum(block.DagCBOR, body)); err != nil {
		return invalid(e, "%v", err)
	}
	if n := len(c.Approvals); n < l.roster.Quorum() {
		return invalid(e, "%d sites approve, want %d", n, l.roster.Quorum())
	}
	if err := checkVotes(c.Approvals, l.roster, SigningBytes(l.mesh, KindApprove, body), l.verify); err != nil {
		return invalid(e, "approvals: %v", err)
	}
	return nil
}

// apply puts the new roster in force from the next height on.
func (c *Changed) apply(l *Ledger, e *Entry) {
	next, err := l.roster.change(&c.Change, e.Height+1)
	if err != nil {
		panic(err) // the entry was checked
	}
	l.enforce(next, &c.Change, e.Height)
}

// enforce puts a roster in force that a change has made of the one before.
func (l *Ledger) enforce(next *Roster, c *Change, height uint64) {
	l.roster = next
	l.rosters = append(l.rosters, next)
	if c.Protocol > 0 {
		l.protocols = append(l.protocols, Protocol{c.Protocol, c.Weft, height + 1})
	}
	if c.Add != nil {
		l.members[c.Add.ID] = membership{c.Add.Name, height}
		if c.Remove != nil {
			l.heirs[c.Remove.ID] = c.Add.ID
		}
	}
}
