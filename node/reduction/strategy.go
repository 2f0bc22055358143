package reduction

import (
	"fmt"
	"strings"

	"github.com/weft-mesh/weft/ledger"
)

// Knows says of the names in a run's description which protocol number's programs were the first to know them all; or, by an
// error, which of them this program does not know. That is a site's readiness, and never an entry's validity.
type Knows func(*ledger.RunSpec) (since uint64, err error)

// KnownNames is the [Knows] of this program.
func KnownNames(spec *ledger.RunSpec) (since uint64, err error) {
	if spec.Rule != "fedavg" {
		return 0, fmt.Errorf("unknown rule %q", spec.Rule)
	}
	return 1, nil
}

// Unknown says what of a run this program does not know, so that it neither trains nor reduces for it; nothing if it knows all.
func (knows Knows) Unknown(r *ledger.Run) string {
	if len(r.Unknown) > 0 {
		return fmt.Sprintf("unknown field %q", strings.Join(r.Unknown, ", "))
	}
	if _, err := knows(r.Spec); err != nil {
		return err.Error()
	}
	return ""
}
