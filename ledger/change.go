package ledger

import (
	"fmt"
	"strings"

	"github.com/weft-mesh/weft/block"
)

// Change is a change of the roster, as the sites sign it: a site goes, a site comes, or, with one
// name in both, a site gets another key. It may raise the protocol's number, alone or besides. It names the
// version that it changes, so that what was approved for one roster is worth nothing for the next.
type Change struct {
	Version uint64 `cbor:"version" json:"version"`
	Remove  *Site  `cbor:"remove,omitempty" json:"remove,omitempty"`
	Add     *Site  `cbor:"add,omitempty" json:"add,omitempty"`
	// Protocol is the number in force from the next height on, 0 if it stays; Weft is the version that brings it.
	Protocol uint64 `cbor:"protocol,omitempty" json:"protocol,omitempty"`
	Weft     string `cbor:"weft,omitempty" json:"weft,omitempty"`
}

// KindApprove is the kind of the statement by which a site approves of a [Change].
const KindApprove Kind = "approve"

var _ = Register[Change](KindApprove, maxChange)

// ID returns the change's name: the CID of the document. One that was read from a statement is named by that: see [Signed.ID].
func (c *Change) ID() block.CID { return block.Of(c).CID }

// String says what the change does.
func (c *Change) String() string {
	var does []string
	switch {
	case c.Remove != nil && c.Add != nil:
		does = append(does, "replace the key of "+c.Add.Name)
	case c.Remove != nil:
		does = append(does, "remove "+c.Remove.Name)
	case c.Add != nil:
		does = append(does, "add "+c.Add.Name)
	}
	if c.Protocol > 0 {
		does = append(does, fmt.Sprintf("raise the protocol to %d, for weft >= %s", c.Protocol, c.Weft))
	}
	if len(does) == 0 {
		return "change nothing"
	}
	return strings.Join(does, ", ")
}

// Check implements [Body].
func (c *Change) Check() error {
	if c.Remove == nil && c.Add == nil && c.Protocol == 0 {
		return fmt.Errorf("it changes nothing")
	}
	if err := checkNewer(c.Protocol, c.Weft); err != nil {
		return err
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

// CheckChange says whether the roster in force may be changed so, leaving aside who approves.
func (l *Ledger) CheckChange(c *Change) error {
	if err := c.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if _, err := l.roster.change(c, 0); err != nil {
		return err
	}
	if now := l.Protocol(l.Height() + 1).Number; c.Protocol > 0 && c.Protocol <= now {
		return fmt.Errorf("%w: %s: protocol %d is in force", ErrInvalid, c, now)
	}
	if c.Add != nil {
		// A key that comes has never voted here, so it may vote with an empty log.
		if old, ever := l.members[c.Add.ID]; ever {
			return fmt.Errorf("%w: %s: its key was that of site %q: %w", ErrInvalid, c, old.name, ErrKeySpent)
		}
	}
	return nil
}
