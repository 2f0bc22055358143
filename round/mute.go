package round

import "github.com/libp2p/go-libp2p/core/peer"

// mute keeps a key whose log is gone from voting in a height in which it may have voted before:
// until it has seen a height decided that began after its start.
//
// Whatever was decided before the start, at height d, had a quorum of voters that stood at d-1 at
// least. So once this site has caught up with a quorum of other sites' heads, all said after its
// start, d is at most one above its own head, its lost votes at most two above, and any height
// after that is new to it.
type mute struct {
	on     bool
	until  uint64 // decided height that ends it; 0: not known yet
	heads  map[peer.ID]uint64
	height uint64 // decided here
}

func (q *mute) heard(from peer.ID, height uint64) {
	if !q.on {
		return
	}
	if q.heads == nil {
		q.heads = map[peer.ID]uint64{}
	}
	if _, known := q.heads[from]; !known {
		q.heads[from] = height
	}
}

func (q *mute) decided(height uint64) { q.height = height }

// muted reports whether the site must not vote, nor offer an update: it may have done so before.
func (m *Machine) muted() bool { return m.mute.on }

// speakAgain ends the silence of a site that lost its log once it is safe, and for good.
func (m *Machine) speakAgain() {
	q := &m.mute
	if !q.on {
		return
	}
	if q.until == 0 {
		caughtUp := 0
		for _, h := range q.heads {
			if h <= q.height {
				caughtUp++
			}
		}
		if caughtUp < min(m.roster.Quorum(), m.roster.Len()-1) {
			return
		}
		q.until = q.height + 2
	}
	if q.height < q.until {
		return
	}
	q.on = false
	m.dirty = true
	m.born = &Born{Mesh: m.ledger.mesh, Site: m.self, Until: q.until}
	m.save(Record{Born: m.born})
	m.trace(Trace{Event: "votes again", Height: q.height})
}
