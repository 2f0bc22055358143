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

// extend makes a site that is mute wait from a change of the roster on: the quorum that it has heard
// may be none of the roster that decided what came next.
func (q *mute) extend(height uint64) {
	if q.on && q.until > 0 {
		q.until = max(q.until, height+2)
	}
}

// muted reports whether the site must not vote, nor offer an update: it may have done so before, or
// it is none of the mesh's sites.
func (m *Machine) muted() bool { return m.mute.on || m.observes() }

// others returns how many other sites the mesh has.
func (m *Machine) others() int {
	if m.observes() {
		return m.roster.Len()
	}
	return m.roster.Len() - 1
}

// speakAgain ends the silence of a site that lost its log once it is safe, and for good.
func (m *Machine) speakAgain() {
	q := &m.mute
	if !q.on {
		return
	}
	if q.until == 0 {
		caughtUp := 0
		for id, h := range q.heads {
			if h <= q.height && m.roster.Has(id) {
				caughtUp++
			}
		}
		if caughtUp < min(m.roster.Quorum(), m.others()) {
			return
		}
		q.until = q.height + 2
	}
	if q.height < q.until {
		return
	}
	m.endMute()
}

func (m *Machine) endMute() {
	m.mute.on = false
	m.dirty = true
	m.born = &Born{Mesh: m.ledger.Mesh(), Site: m.self, Until: m.mute.until}
	m.save(Record{Born: m.born})
	m.trace(Trace{Event: "votes again", Height: m.mute.height})
}
