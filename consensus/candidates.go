package consensus

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// candidate is an entry that may be decided at this height, and the sites that are ready for it.
type candidate struct {
	entry  Entry // nil until its bytes are known
	formed bool  // by this site, before another sent it
	ready  map[peer.ID]bool
	tellAt time.Duration // when this site tells its bytes; 0: it does not, or has
	tried  int           // views in which it was proposed
	offers int           // of them those in which this site proposed it
}

// know takes the candidate's entry, which has been checked.
func (c *candidate) know(e Entry) { c.entry = e }

// form notes that this site has formed the entry itself.
func (c *candidate) form() { c.formed = true }

// join notes that a site is ready for it.
func (c *candidate) join(id peer.ID) { c.ready[id] = true }

// supported reports whether a quorum is ready for it, so that the height opens, and it is proposed before others.
func (c *candidate) supported(quorum int) bool { return len(c.ready) >= quorum }

// tell says when this site tells its bytes; 0: never.
func (c *candidate) tell(at time.Duration) { c.tellAt = at }

// try notes that it was proposed in a view.
func (c *candidate) try() { c.tried++ }

// offer notes that this site has proposed it in a view.
func (c *candidate) offer() { c.offers++ }

// candidate returns the candidate with that CID, making it.
func (h *height) candidate(c block.CID) *candidate {
	known := h.candidates[c]
	if known == nil {
		known = &candidate{ready: map[peer.ID]bool{}}
		h.candidates[c] = known
		at, _ := slices.BinarySearchFunc(h.ids, c, block.CID.Compare)
		h.ids = slices.Insert(slices.Clone(h.ids), at, c) // somebody may be going through them
	}
	return known
}

// order returns the candidates' CIDs in order.
func (h *height) order() []block.CID { return h.ids }

// mentioned returns the candidate that a site speaks of, or nil if it was the first to speak of too many. That
// need not be a lie: a site is ready for whatever it holds, and a site that comes late hears of it all from one.
func (h *height) mentioned(c block.CID, by peer.ID, most int) *candidate {
	if h.candidates[c] == nil {
		if h.mentions[by] >= most {
			return nil
		}
		h.mentions[by]++
	}
	return h.candidate(c)
}

// hears reports whether a site may tell one more entry, and counts it.
func (h *height) hears(from peer.ID) bool {
	if h.told[from] >= MaxTold {
		return false
	}
	h.told[from]++
	return true
}

// takes reports whether a site's proposal may bring one more entry that is not known, and counts it. A site
// that means well proposes what others know.
func (h *height) takes(from peer.ID) bool {
	h.brought[from]++
	return h.brought[from] <= MaxTold
}

// tellLater has this site tell a candidate's entry at a time.
func (h *height) tellLater(c *candidate, at time.Duration) {
	c.tell(at)
	h.tellAt = min(h.tellAt, at)
}

// turns returns the entries that this site tells now: their turn has come, and a quorum has not shown yet that
// it knows them.
func (h *height) turns(now time.Duration, quorum int) (list []Entry) {
	if now < h.tellAt {
		return nil
	}
	h.tellAt = never
	for _, id := range h.order() {
		c := h.candidates[id]
		switch {
		case c.tellAt == 0 || len(c.ready) >= quorum:
			c.tell(0)
		case c.tellAt <= now:
			c.tell(0)
			list = append(list, c.entry)
		default:
			h.tellAt = min(h.tellAt, c.tellAt)
		}
	}
	return list
}
