package membership

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// MaxShown is how many changes a head is about at most: those that most sites approve of.
const MaxShown = 16

// ChangeHead is what a site knows of a change of the roster that is not decided.
type ChangeHead struct {
	Change    block.CID `cbor:"change"`
	Approvals []byte    `cbor:"approvals"` // whose approval it knows
	Join      int64     `cbor:"join"`      // height that the newest join it has names; -1: none
	// Serials of the newest withdrawals it knows, by roster position, 0 for none; those after the last are left out.
	Serials []uint64 `cbor:"serials,omitempty"`
}

// Heads says which approvals and joins this site has.
func (m *Members) Heads() []ChangeHead {
	var list []ChangeHead
	for _, p := range m.shown() {
		list = append(list, ChangeHead{
			Change:    p.id,
			Approvals: m.roster().Bitmap(func(id peer.ID) bool { return p.approvals[id] != nil }),
			Join:      p.joined(),
			Serials:   m.serials(p),
		})
	}
	return list
}

// serials returns the serials of a change's withdrawals, by roster position.
func (m *Members) serials(p *pending) []uint64 {
	if len(p.withdrawals) == 0 {
		return nil
	}
	var list []uint64
	for i, site := range m.roster().Sites() {
		if n := p.serial(site.ID); n > 0 {
			list = append(append(list, make([]uint64, i-len(list))...), n)
		}
	}
	return list
}

// shown returns the changes that heads are about.
func (m *Members) shown() []*pending {
	all := m.pending()
	return all[:min(len(all), MaxShown)]
}

// Gap gives the approvals, withdrawals and joins that a site with these heads lacks.
func (m *Members) Gap(heads []ChangeHead, give func(*ledger.Signed)) {
	for _, p := range m.shown() {
		theirs := ChangeHead{Join: -1}
		for _, h := range heads {
			if h.Change == p.id {
				theirs = h
			}
		}
		for i, site := range m.roster().Sites() {
			if s := p.approvals[site.ID]; s != nil && !m.roster().InBitmap(theirs.Approvals, site.ID) {
				give(s)
			}
			if n := p.serial(site.ID); n > 0 && (i >= len(theirs.Serials) || theirs.Serials[i] < n) {
				give(p.withdrawals[site.ID])
			}
		}
		if p.join != nil && p.joined() > theirs.Join {
			give(p.join)
		}
	}
}
