package runs

import (
	"slices"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

var _ = handle(ledger.KindOpen, kind{
	restore: func(r *Runs, s *ledger.Signed, _ ledger.Body) error {
		r.asked.add(s)
		r.env.touch()
		return nil
	},
})

// asked are the runs that this site's operator asks for and the ledger does not have yet.
type asked []*ledger.Signed

func (a *asked) add(s *ledger.Signed) { *a = append(*a, s) }

// decided drops a run that the ledger has.
func (a *asked) decided(run block.CID) {
	*a = slices.DeleteFunc(*a, func(s *ledger.Signed) bool { return block.Sum(block.DagCBOR, s.Body) == run })
}

// Ask is the wish of this site's operator for a run.
func (r *Runs) Ask(spec *ledger.RunSpec) {
	if err := spec.Validate(r.env.roster(), r.env.Ledger.Protocol(r.env.Ledger.Height()+1).Number); err != nil || r.env.Ledger.Run(spec.ID()) != nil {
		return // the driver has checked and told the operator
	}
	s := r.env.Out.Sign(ledger.KindOpen, spec)
	r.asked.add(s)
	r.env.Out.Save(s)
	r.env.touch()
}
