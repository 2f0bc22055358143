package sim

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
)

// asks reports whether runs are asked for before they are opened.
func (c *checker) asks() bool { return c.w.cfg.Protocol >= ledger.AskProtocol }

// consented holds that a quorum of the sites has consented to a run that is opened.
func (c *checker) consented(s *site, run block.CID, o *ledger.Open) {
	if !c.asks() {
		return
	}
	good := 0
	for _, id := range c.members {
		for i := range o.Consents {
			said := &o.Consents[i]
			var b ledger.Consent
			if said.From != id || block.Decode(said.Body, &b) != nil || b.Run != run || !b.Accept {
				continue
			}
			if verify(id, c.signed(ledger.KindConsent, said.Body), said.Sig) {
				good++
				break
			}
		}
	}
	if q := c.quorum(len(c.members)); good < q {
		c.w.fail(s.i, PromiseConsented, fmt.Sprintf("a run is opened with %d consents, a quorum of %d sites is %d", good, len(c.members), q))
	}
}

// seeks holds that nobody fetches a model for a run that is not open.
func (c *checker) seeks(s *site, j runs.Fetch) {
	if c.asks() && s.liar == nil && s.machine.Ledger().Run(j.Run) == nil {
		c.w.fail(s.i, PromiseConsented, "it fetches a model of a run that is not open")
	}
}
