package ledger

import (
	"fmt"
	"slices"

	"github.com/weft-mesh/weft/block"
)

// KindTrouble is the kind of [Trouble].
const KindTrouble Kind = "trouble"

var _ = Register[Trouble](KindTrouble, MaxSmall)

// TroubleClass is a class of what goes wrong at a site.
type TroubleClass string

// The classes that this program knows, ascending. A later version may know more.
const (
	DiskFull      TroubleClass = "disk"     // it has no room for what it would fetch or make
	Excluded      TroubleClass = "excluded" // its updates count in no seal: its key is proven to have signed two statements for one place
	CannotFetch   TroubleClass = "fetch"    // it lacks a model or an update, and finds it nowhere
	LinkDown      TroubleClass = "link"     // it reaches fewer sites than a quorum, or did so a moment ago
	TrainingFails TroubleClass = "training" // its last training has failed
)

// TroubleClasses are the classes that this program knows.
var TroubleClasses = []TroubleClass{DiskFull, Excluded, CannotFetch, LinkDown, TrainingFails}

const (
	maxTroubles     = 8  // in a statement
	maxTroubleClass = 16 // bytes
)

// Trouble says what goes wrong at its author in a run at the moment, by class; nothing any more if there is none. A higher serial
// replaces a lower. It is for people: nothing that is decided, and nobody's waiting, depends on it.
type Trouble struct {
	Run     block.CID      `cbor:"run" json:"run"`
	Serial  uint64         `cbor:"serial" json:"serial"`                 // from 1
	Classes []TroubleClass `cbor:"classes" json:"classes"`               // ascending
	Text    string         `cbor:"text,omitempty" json:"text,omitempty"` // what the author's operator lets it say beside
}

// Check implements [Body].
func (t *Trouble) Check() error {
	switch {
	case t.Serial == 0:
		return fmt.Errorf("serials count from 1")
	case len(t.Classes) > maxTroubles:
		return fmt.Errorf("%d classes, at most %d", len(t.Classes), maxTroubles)
	case len(t.Text) > MaxReason:
		return fmt.Errorf("text of %d bytes, at most %d", len(t.Text), MaxReason)
	case len(t.Classes) == 0 && t.Text != "":
		return fmt.Errorf("a text about nothing")
	}
	for i, a := range t.Classes {
		if len(a) == 0 || len(a) > maxTroubleClass || slices.ContainsFunc([]byte(a), func(c byte) bool { return c < 'a' || c > 'z' }) {
			return fmt.Errorf("class %.20q, want 1 to %d letters from a to z", string(a), maxTroubleClass)
		}
		if i > 0 && t.Classes[i-1] >= a {
			return fmt.Errorf("classes are not ascending")
		}
	}
	return nil
}

// Says reports whether the statement says the same as another, whatever their serials are.
func (t *Trouble) Says(classes []TroubleClass, text string) bool {
	return slices.Equal(t.Classes, classes) && t.Text == text
}

// OfRun returns the run that it is about.
func (t *Trouble) OfRun() block.CID { return t.Run }
