package ledger

import (
	"github.com/weft-mesh/weft/block"
)

// Close ends a run early.
type Close struct {
	Run   block.CID `cbor:"run" json:"run"`
	Stops []Signed  `cbor:"stops" json:"stops"` // kind "stop": the opener's, or those of f+1 sites; ascending
}

var _ = registerEntry[Close]()

// Kind implements [Decision].
func (c *Close) Kind() string { return "close" }

// About implements [Decision].
func (c *Close) About() block.CID { return c.Run }

// String implements [Decision].
func (c *Close) String() string { return "close" }

func (c *Close) check(l *Ledger, e *Entry) error {
	r, err := l.current(e)
	if err != nil {
		return err
	}
	byOpener := false
	for i := range c.Stops {
		s := &c.Stops[i]
		stop, err := BodyOf[Stop](s, KindStop)
		if err != nil {
			return invalid(e, "%v", err)
		}
		if stop.Run != r.ID || i > 0 && CompareIDs(c.Stops[i-1].From, s.From) >= 0 {
			return invalid(e, "stop of %s is for another run or out of order", l.roster.Name(s.From))
		}
		if err := s.Verify(l.mesh, l.roster, l.verify); err != nil {
			return invalid(e, "%v", err)
		}
		byOpener = byOpener || s.From == l.Heir(r.Spec.By)
	}
	if !byOpener && len(c.Stops) <= l.roster.F() {
		return invalid(e, "%d sites ask for it, want the opener or %d", len(c.Stops), l.roster.F()+1)
	}
	return nil
}

func (c *Close) apply(l *Ledger, e *Entry) { l.runs[c.Run].Closed = e.Height }
