package ledger

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// Commit fixes the model that came out of a round.
type Commit struct {
	Run   block.CID `cbor:"run" json:"run"`
	Round uint64    `cbor:"round" json:"round"`
	Seal  block.CID `cbor:"seal" json:"seal"`   // the round's latest
	Model block.CID `cbor:"model" json:"model"` // manifest of the new global model
	State block.CID `cbor:"state" json:"state"` // of the outer step; undefined where it has none. Those who compute judge it
}

var _ = registerEntry[Commit]()

// Kind implements [Decision].
func (c *Commit) Kind() string { return "commit" }

// About implements [Decision].
func (c *Commit) About() block.CID { return c.Run }

// String implements [Decision].
func (c *Commit) String() string { return fmt.Sprintf("commit %d", c.Round) }

func (c *Commit) check(l *Ledger, e *Entry) error {
	r, err := l.current(e)
	if err != nil {
		return err
	}
	switch latest := r.Latest(); {
	case latest == nil:
		return invalid(e, "round %d has no seal", r.Round)
	case c.Round != r.Round || c.Seal != latest.CID:
		return invalid(e, "does not name round %d's latest seal", r.Round)
	case c.Model.Codec() != block.DagCBOR:
		return invalid(e, "model is not the CID of a manifest")
	}
	return nil
}

func (c *Commit) apply(l *Ledger, e *Entry) {
	r := l.runs[c.Run]
	seal := r.Latest().Seal
	for _, u := range seal.Updates {
		r.Counted[u.Update.From] = u.Update.Update().Round
	}
	if r.selects {
		r.look(l, seal)
	}
	r.Commits = append(r.Commits, CommitAt{e.Height, c, seal, r.Opened})
	r.Round, r.Opened, r.Base, r.State, r.Seals = r.Round+1, e.Height, c.Model, c.State, nil
	r.stopEarly(e.Height)
}
