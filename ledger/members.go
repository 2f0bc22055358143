package ledger

import (
	"iter"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// membership is what the ledger remembers of every key that is or was a site's.
type membership struct {
	name  string
	since uint64 // height of the entry that added it; 0: the genesis
}

// Name returns the name of the site whose key id is or was, or the peer ID's end for a stranger.
func (l *Ledger) Name(id peer.ID) string {
	if m, ok := l.members[id]; ok {
		return m.name
	}
	return id.ShortString()
}

// Members yields every key that is or was a site's, and the site's name, in no order.
func (l *Ledger) Members() iter.Seq2[peer.ID, string] {
	return func(yield func(peer.ID, string) bool) {
		for id, m := range l.members {
			if !yield(id, m.name) {
				return
			}
		}
	}
}

// HasBeen reports whether a key is or was a site's.
func (l *Ledger) HasBeen(id peer.ID) bool { _, ok := l.members[id]; return ok }

// RosterAt returns the roster in force at a height, which may be one above the newest decided.
func (l *Ledger) RosterAt(height uint64) *Roster {
	for i := len(l.rosters) - 1; i > 0; i-- {
		if l.rosters[i].from <= height {
			return l.rosters[i]
		}
	}
	return l.rosters[0]
}

// LastFor returns the newest height that is a key's affair: who was removed is shown the ledger up to its removal.
func (l *Ledger) LastFor(id peer.ID) uint64 {
	if _, was := l.members[id]; !was || l.roster.Has(id) {
		return l.Height()
	}
	last := len(l.rosters) - 2
	for last > 0 && !l.rosters[last].Has(id) {
		last--
	}
	return l.rosters[last+1].from - 1
}

// cidAt returns the CID of the entry at a height that has been decided; of the genesis at 0.
func (l *Ledger) cidAt(height uint64) block.CID {
	if height == 0 {
		return l.mesh
	}
	return l.At(height).Entry.CID()
}

// JoinedAfter reports whether a key became a site's after a height.
func (l *Ledger) JoinedAfter(id peer.ID, height uint64) bool { return l.members[id].since > height }

// Heir returns the key by which the site of a key speaks now.
func (l *Ledger) Heir(id peer.ID) peer.ID {
	for next, ok := l.heirs[id]; ok; next, ok = l.heirs[id] {
		id = next
	}
	return id
}
