package ledger

import (
	"github.com/weft-mesh/weft/block"
)

// Open opens a run.
type Open struct {
	Spec Signed `cbor:"spec" json:"spec"` // kind "open", body RunSpec, by RunSpec.By
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
	return nil
}

func (o *Open) apply(l *Ledger, e *Entry) {
	spec, _ := BodyOf[RunSpec](&o.Spec, KindOpen)
	l.add(newRun(e, spec, o.Spec.Unknown(), l.Protocol(e.Height).Number))
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
