package consensus

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
)

// Voice keeps a site from saying what may contradict what it has said before, and no longer knows.
//
// A site whose log is gone, or was put back to an earlier state, is mute: it does not vote until it has seen a
// height decided that began after its start. Whatever was decided before the start, at height d, had a quorum of
// voters that stood at d-1 at least. So once this site has caught up with a quorum of other sites' heads, all said
// after its start, d is at most one above its own head, its lost votes at most two above, and any height after that
// is new to it.
//
// A site that has just started cannot tell whether its log is all that it has said. It holds its votes and its
// offers back until others have had the time to tell it.
type Voice struct {
	muted  bool
	until  uint64 // decided height that ends the silence; 0: not known yet
	heads  map[peer.ID]uint64
	height uint64 // decided here

	votes, offers bool // are held back
	version       uint64
}

// Silence makes the site mute: it has said more than its log knows.
func (v *Voice) Silence() { v.muted, v.until, v.heads = true, 0, nil }

// Muted reports whether the site must not vote: it may have done so before.
func (v *Voice) Muted() bool { return v.muted }

// Until returns the height whose decision ended the silence; 0 if none has, or none had to.
func (v *Voice) Until() uint64 { return v.until }

// Height returns the newest decided height that the voice knows of.
func (v *Voice) Height() uint64 { return v.height }

// Remember takes from the log whether the site was silent.
func (v *Voice) Remember(muted bool) { v.muted, v.until, v.heads = muted, 0, nil }

// Hold says what the site holds back after its start.
func (v *Voice) Hold(votes, offers bool) {
	if v.votes != votes || v.offers != offers {
		v.votes, v.offers = votes, offers
		v.version++
	}
}

// Version counts the changes of what is held back.
func (v *Voice) Version() uint64 { return v.version }

// Held reports whether the site holds its votes back.
func (v *Voice) Held() bool { return v.votes }

// MayOffer reports whether the site may offer an update. Two for one place are no lie, but the mesh would fetch both.
func (v *Voice) MayOffer() bool { return !v.offers }

// Heard takes the height of another site's head, the first since this site fell silent.
func (v *Voice) Heard(from peer.ID, height uint64) {
	if !v.muted {
		return
	}
	if v.heads == nil {
		v.heads = map[peer.ID]uint64{}
	}
	if _, known := v.heads[from]; !known {
		v.heads[from] = height
	}
}

func (v *Voice) decided(height uint64) { v.height = height }

// Extend makes a muted site wait from a change of the roster on: the quorum that it has heard may be
// none of the roster that decided what came next.
func (v *Voice) Extend(height uint64) {
	if v.muted && v.until > 0 {
		v.until = max(v.until, height+2)
	}
}

// Recover reports whether a muted site may speak now, of others other sites; it then ends the silence.
func (v *Voice) Recover(roster *ledger.Roster, others int) bool {
	if !v.muted {
		return false
	}
	if v.until == 0 {
		caughtUp := 0
		for id, h := range v.heads {
			if h <= v.height && roster.Has(id) {
				caughtUp++
			}
		}
		if caughtUp < min(roster.Quorum(), others) {
			return false
		}
		v.until = v.height + 2
	}
	if v.height < v.until {
		return false
	}
	v.muted = false
	return true
}

// Admit lets a muted site speak at once: its key has just become a site's, so it has never voted.
func (v *Voice) Admit() { v.muted, v.until = false, 0 }
