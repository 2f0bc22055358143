package runs

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// RunHead is what a site knows of the current round of an open run.
type RunHead struct {
	Run      block.CID `cbor:"run"`
	Updates  []byte    `cbor:"updates"`  // whose updates it knows
	Consents []byte    `cbor:"consents"` // whose consent it knows
}

// Heads says which updates and consents this site knows.
func (r *Runs) Heads() []RunHead {
	var list []RunHead
	for _, run := range r.env.Ledger.Runs() {
		p := r.states[run.ID]
		if p == nil || !run.Active() {
			continue
		}
		list = append(list, RunHead{
			Run:      run.ID,
			Updates:  r.env.roster().Bitmap(func(id peer.ID) bool { return p.offers.of(id).offer(run.Opened) != nil }),
			Consents: r.env.roster().Bitmap(func(id peer.ID) bool { return p.offers.of(id).said() }),
		})
	}
	return list
}

// Gap gives the consents and updates that a site with these heads lacks.
func (r *Runs) Gap(heads []RunHead, give func(*ledger.Signed)) {
	for _, theirs := range heads {
		run, p := r.env.Ledger.Run(theirs.Run), r.states[theirs.Run]
		if run == nil || p == nil || !run.Active() {
			continue
		}
		for _, site := range r.env.roster().Sites() {
			c := p.offers.of(site.ID)
			if c.said() && !r.env.roster().InBitmap(theirs.Consents, site.ID) {
				give(c.consent)
			}
			if u := c.offer(run.Opened); u != nil && !r.env.roster().InBitmap(theirs.Updates, site.ID) {
				give(u.statement)
			}
		}
	}
}
