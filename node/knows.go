package node

import (
	"fmt"
	"net/http"
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

// unknown says what of a run this program does not know, so that it neither trains nor reduces for it; nothing if it knows all.
func (knows Knows) unknown(r *ledger.Run) string {
	if len(r.Unknown) > 0 {
		return fmt.Sprintf("unknown field %q", strings.Join(r.Unknown, ", "))
	}
	if _, err := knows(r.Spec); err != nil {
		return err.Error()
	}
	return ""
}

// checkKnown refuses to ask for a run that this program does not know, or a site whose program is older than what it asks for.
func (n *Node) checkKnown(spec *ledger.RunSpec) error {
	since, err := n.opt.Knows(spec)
	if err != nil {
		return refuseField("rule", "correct the run's description, or start a weft that knows it", err)
	}
	for _, site := range n.view.Load().roster.ByName() {
		if p, known := n.programs.of(site.ID); known && p.Protocol < since {
			return refuse(http.StatusConflict, "weft peers shows what each site runs; let its operator start a newer weft first",
				"site %q runs weft %s, which does not know what this run asks for (it knows protocol %d, the run needs %d)", site.Name, p.Weft, p.Protocol, since)
		}
	}
	return nil
}
