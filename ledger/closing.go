package ledger

import (
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// Closing holds what the sites measured of the last model of a run that is over, which may be nothing. Nothing waits for it.
type Closing struct {
	Run     block.CID `cbor:"run" json:"run"`
	Figures []Signed  `cbor:"figures" json:"figures"` // kind "measured"; ascending by site
}

var _ = registerEntry[Closing]()

// Kind implements [Decision].
func (c *Closing) Kind() string { return "closing" }

// About implements [Decision].
func (c *Closing) About() block.CID { return c.Run }

// String implements [Decision].
func (c *Closing) String() string { return fmt.Sprintf("closing (%d figures)", len(c.Figures)) }

func (c *Closing) check(l *Ledger, e *Entry) error {
	r := l.runs[c.Run]
	switch {
	case l.Protocol(e.Height).Number < SelectionProtocol:
		return invalid(e, "protocol %d is in force, which has no such entry", l.Protocol(e.Height).Number)
	case r == nil:
		return invalid(e, "no run %s", c.Run)
	case !r.Measurable():
		return invalid(e, "run %q goes on, has no model, or has such an entry already", r.Spec.Name)
	}
	for i := range c.Figures {
		s := &c.Figures[i]
		if i > 0 && CompareIDs(c.Figures[i-1].From, s.From) >= 0 {
			return invalid(e, "sites must ascend and differ")
		}
		if err := l.CheckMeasured(r, s); err != nil {
			return invalid(e, "figures of %s: %v", l.roster.Name(s.From), err)
		}
		if err := s.Verify(l.mesh, l.roster, l.verify); err != nil {
			return invalid(e, "%v", err)
		}
	}
	return nil
}

// CheckMeasured says why a site's figures cannot stand in a run's closing entry, if they cannot. It does not check the signature.
func (l *Ledger) CheckMeasured(r *Run, s *Signed) error {
	m, err := BodyOf[LastMeasured](s, KindMeasured)
	switch {
	case err != nil:
		return err
	case m.Run != r.ID || m.Model != r.Base:
		return fmt.Errorf("of another model")
	case s.Size() > l.roster.UpdateBytes():
		return fmt.Errorf("%d bytes, at most %d", s.Size(), l.roster.UpdateBytes())
	}
	return r.checkCross(s.From, m.Cross)
}

func (c *Closing) apply(l *Ledger, e *Entry) {
	r := l.runs[c.Run]
	r.Closing = &ClosingAt{e.Height, c}
	r.choose(l, uint64(len(r.Commits)), c.Measured())
}

// Cross returns what the sites of a decided entry measured of the last updates, by who measured.
func (c *Closing) Cross() map[peer.ID][]CrossRow {
	of := map[peer.ID][]CrossRow{}
	for i := range c.Figures {
		body, _ := BodyOf[LastMeasured](&c.Figures[i], KindMeasured) // it was checked
		if rows, err := body.Cross.Read(); err == nil && len(rows) > 0 {
			of[c.Figures[i].From] = rows
		}
	}
	return of
}

// Measured returns the figures of a decided entry by site.
func (c *Closing) Measured() map[peer.ID]Measured {
	of := map[peer.ID]Measured{}
	for i := range c.Figures {
		body, _ := BodyOf[LastMeasured](&c.Figures[i], KindMeasured) // it was checked
		of[c.Figures[i].From], _ = body.Figures.Read()
	}
	return of
}
