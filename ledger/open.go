package ledger

import (
	"github.com/weft-mesh/weft/block"
)

// AskProtocol is the protocol number from which on a run is asked for until a quorum consents: an entry that opens one brings
// those consents. One member alone then opens nothing, and nobody fetches a model before it has said that it takes part.
const AskProtocol = 4

// Open opens a run.
type Open struct {
	Spec     Signed   `cbor:"spec" json:"spec"`                             // kind "open", body RunSpec, by RunSpec.By
	Consents []Signed `cbor:"consents,omitempty" json:"consents,omitempty"` // kind "consent", that accept; ascending. None before AskProtocol
}

var _ = registerEntry[Open]()

// Kind implements [Decision].
func (o *Open) Kind() string { return "open" }

// About implements [Decision].
func (o *Open) About() block.CID { return block.Sum(block.DagCBOR, o.Spec.Body) }

// String implements [Decision].
func (o *Open) String() string { return "open" }

func (o *Open) check(l *Ledger, e *Entry) error {
	spec, err := BodyOf[RunSpec](&o.Spec, KindOpen)
	if err != nil {
		return invalid(e, "%v", err)
	}
	if err := spec.Validate(l.roster, l.Protocol(e.Height).Number); err != nil {
		return invalid(e, "%v", err)
	}
	if spec.By != o.Spec.From {
		return invalid(e, "signed by %s, opened by %s", l.roster.Name(o.Spec.From), l.roster.Name(spec.By))
	}
	if err := o.Spec.Verify(l.mesh, l.roster, l.verify); err != nil {
		return invalid(e, "%v", err)
	}
	if l.runs[e.Run()] != nil {
		return invalid(e, "run %q is known already", spec.Name)
	}
	if l.active() >= MaxRuns {
		return invalid(e, "%d runs are open, at most %d", l.active(), MaxRuns)
	}
	return o.checkConsents(l, e, spec)
}

// checkConsents says whether as many sites consent as it takes to seal a round.
func (o *Open) checkConsents(l *Ledger, e *Entry, spec *RunSpec) error {
	if l.Protocol(e.Height).Number < AskProtocol {
		if len(o.Consents) > 0 {
			return invalid(e, "it brings consents, which protocol %d does not have", l.Protocol(e.Height).Number)
		}
		return nil
	}
	if n := spec.Takers(l.roster); len(o.Consents) < n {
		return invalid(e, "%d sites consent, want %d", len(o.Consents), n)
	}
	run := e.Run()
	for i := range o.Consents {
		s := &o.Consents[i]
		c, err := BodyOf[Consent](s, KindConsent)
		switch {
		case err != nil:
			return invalid(e, "%v", err)
		case c.Run != run || !c.Accept || i > 0 && CompareIDs(o.Consents[i-1].From, s.From) >= 0:
			return invalid(e, "consent of %s is for another run, declines, or is out of order", l.roster.Name(s.From))
		}
		if err := s.Verify(l.mesh, l.roster, l.verify); err != nil {
			return invalid(e, "%v", err)
		}
	}
	return nil
}

func (o *Open) apply(l *Ledger, e *Entry) {
	spec, _ := BodyOf[RunSpec](&o.Spec, KindOpen)
	r := newRun(e, spec, o.Spec.Unknown(), l.Protocol(e.Height).Number)
	for i := range o.Consents {
		c, _ := BodyOf[Consent](&o.Consents[i], KindConsent)
		r.declare(o.Consents[i].From, c.Samples)
	}
	l.add(r)
}

func (l *Ledger) add(r *Run) {
	l.runs[r.ID] = r
	l.order = append(l.order, r)
}

func (l *Ledger) active() (n int) {
	for _, r := range l.order {
		if r.Active() {
			n++
		}
	}
	return n
}
