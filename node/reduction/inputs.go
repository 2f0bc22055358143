// Package reduction is what a round's reduction and its recomputation from a directory have in common: which artifacts
// the average of a seal is computed from.
package reduction

import (
	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/ledger"
)

// Inputs returns what a seal's average is computed from. open opens a sealed update or, if it is late, its own base.
func Inputs(sealed []ledger.Input, open func(i ledger.Input, base bool) (aggregate.ShardReader, error)) (list []aggregate.Input, err error) {
	for _, i := range sealed {
		a := aggregate.Input{Weight: i.Weight}
		if a.Update, err = open(i, false); err != nil {
			return nil, err
		}
		if i.Base.Defined() {
			if a.Base, err = open(i, true); err != nil {
				return nil, err
			}
		}
		list = append(list, a)
	}
	return list, nil
}
