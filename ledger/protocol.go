package ledger

import (
	"fmt"
	"strings"

	"github.com/weft-mesh/weft/block"
)

// Newest is the newest protocol number that this program knows. Number 2 changes nothing in what is valid: its programs were the
// first to know rules beside fedavg, outer steps and their parameters. Number 3 brings closing entries, and the terms by which a
// run has a best model and may end before its last round. Number 4 is for what keeps one site from harming the others: each of its
// rules names it.
const Newest = 4

// NewestWeft is the version of weft that brings protocol [Newest].
const NewestWeft = "0.1.0"

// Protocol is a number that says by which rules entries are valid and aggregates are computed. The genesis states the first, a
// change of the roster raises it. Nothing else switches what decides certified bytes.
type Protocol struct {
	Number uint64
	Weft   string // the version of weft that brings it; empty for the first
	From   uint64 // first height at which it is in force
}

// NewerError says that the mesh needs a later version of this program.
type NewerError struct {
	Weft string // the version that is needed; empty if nobody has said
	Why  string
}

func (e *NewerError) Error() string {
	weft := "a newer weft"
	if e.Weft != "" {
		weft = "weft >= " + e.Weft
	}
	return fmt.Sprintf("this mesh needs %s: %s", weft, e.Why)
}

// Unwrap returns ErrNewer.
func (e *NewerError) Unwrap() error { return ErrNewer }

// checkNewer says whether a protocol's number and version may stand in a genesis or a change.
func checkNewer(number uint64, weft string) error {
	switch {
	case number == 0 && weft != "":
		return fmt.Errorf("weft %.80q without a protocol", weft)
	case number == 1:
		return fmt.Errorf("protocol 1 is the first, and is not written")
	case number > 1 && !ValidName(weft):
		return fmt.Errorf("protocol %d of weft %.80q: want the version that brings it, in 1 to %d bytes of printable text", number, weft, MaxName)
	}
	return nil
}

// Protocol returns what is in force at a height, which may be one above the newest decided.
func (l *Ledger) Protocol(height uint64) Protocol {
	for i := len(l.protocols) - 1; i > 0; i-- {
		if l.protocols[i].From <= height {
			return l.protocols[i]
		}
	}
	return l.protocols[0]
}

// Understand sets the newest protocol number that the program knows, if that is not [Newest].
func (l *Ledger) Understand(newest uint64) { l.newest = newest }

// Understands returns the newest protocol number that this program knows.
func (l *Ledger) Understands() uint64 { return l.newest }

// Known returns a [NewerError] if the protocol in force at the next height is one that this program does not know.
func (l *Ledger) Known() error {
	p := l.Protocol(l.Height() + 1)
	if p.Number <= l.newest {
		return nil
	}
	return &NewerError{p.Weft, fmt.Sprintf("protocol %d is in force, this program knows %d", p.Number, l.newest)}
}

// newer is what an entry decides that this program cannot read: its kind is unknown, or it has unknown fields.
type newer struct {
	kind    string
	Unknown []string `json:"unknown"` // names of fields
}

// Kind implements [Decision].
func (n *newer) Kind() string { return n.kind }

// About implements [Decision].
func (n *newer) About() block.CID { return block.CID{} }

// String implements [Decision].
func (n *newer) String() string { return n.kind + " of a newer weft" }

func (n *newer) check(_ *Ledger, e *Entry) error {
	return &NewerError{Why: fmt.Sprintf("the entry of height %d has what this program does not know: %q", e.Height, strings.Join(n.Unknown, ", "))}
}

func (n *newer) apply(*Ledger, *Entry) { panic("an entry that cannot be read was not checked") }
