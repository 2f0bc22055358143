package peerlog

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
)

// askAgain is the least time between two heads out of turn, or two equal answers, to one site.
const askAgain = 300 * time.Millisecond

// neighbour is what a site remembers of another.
type neighbour struct {
	connected  bool
	visitor    bool          // it was no site when its connection ended
	height     uint64        // newest that it said it has decided
	askedAt    time.Duration // when it last got our head
	answered   uint64        // height from which it was sent certificates last
	answeredAt time.Duration
	forkAt     time.Duration // before then it is not shown our side of a fork again
	answers    answers
	heardAt    time.Duration // when it last said something of its own that is new
	partedAt   time.Duration // when its connection ended
	toldAt     time.Duration // when it was told last what it has said itself
}

func (p *neighbour) connect(yes bool)        { p.connected = yes }
func (p *neighbour) visits(yes bool)         { p.visitor = yes }
func (p *neighbour) part(now time.Duration)  { p.connected, p.partedAt = false, now }
func (p *neighbour) heard(now time.Duration) { p.heardAt = now }
func (p *neighbour) shown(now time.Duration) { p.askedAt = now }
func (p *neighbour) stands(height uint64)    { p.height = height }

func (p *neighbour) answer(height uint64, now time.Duration) { p.answered, p.answeredAt = height, now }

func (p *neighbour) told(now time.Duration) { p.toldAt = now }

// spare keeps our side of a fork from the peer until a time.
func (p *neighbour) spare(until time.Duration) { p.forkAt = until }

// Neighbours are the other sites as this one knows them: whom it reaches, and where they stand. Sites
// show each other their heads, on connecting and every few seconds, and the one that has more sends it.
type Neighbours struct {
	every  time.Duration // between two heads, each to the next connected site
	known  map[peer.ID]*neighbour
	headAt time.Duration // when the next head is due
	last   peer.ID       // that got the last head in turn
	forked map[uint64]bool
	began  time.Duration // before then nothing is known: whoever is not known counts as heard at that time
}

// NewNeighbours returns no neighbours; a head is due every so often.
func NewNeighbours(every time.Duration) *Neighbours {
	return &Neighbours{every: every, known: map[peer.ID]*neighbour{}, forked: map[uint64]bool{}}
}

func (n *Neighbours) of(id peer.ID) *neighbour {
	p := n.known[id]
	if p == nil {
		p = &neighbour{askedAt: -time.Hour, answeredAt: -time.Hour, toldAt: -time.Hour, answers: answers{left: answerBurst}, heardAt: n.began}
		n.known[id] = p
	}
	return p
}

// Connect notes that a site can be reached.
func (n *Neighbours) Connect(id peer.ID) { n.of(id).connect(true) }

// Begin notes that the site starts.
func (n *Neighbours) Begin(now time.Duration) { n.began = now }

// Heard notes that a site has said something new.
func (n *Neighbours) Heard(id peer.ID, now time.Duration) { n.of(id).heard(now) }

// Gone reports whether a site has left since a time, opened, and said nothing since, or was gone before: it is not connected, and has
// said nothing since that, nor since a time earlier than opened. Of who was never connected only what it says shows that it lives.
func (n *Neighbours) Gone(id peer.ID, opened, earlier time.Duration) (left, before bool) {
	p := n.known[id]
	switch {
	case p == nil:
		return false, n.began < earlier
	case p.connected:
		return false, false
	case p.partedAt >= opened && p.partedAt > n.began:
		return p.heardAt <= p.partedAt, false
	}
	return false, p.heardAt < max(earlier, p.partedAt)
}

// maxVisitors is how many peers that are no sites are remembered while they are away, so that connecting anew begins nothing anew.
const maxVisitors = 16

// Disconnect notes that a peer cannot be reached; what is known of it stays if it is a site, or among the last of others.
func (n *Neighbours) Disconnect(id peer.ID, isSite bool, now time.Duration) {
	n.of(id).part(now)
	n.of(id).visits(!isSite)
	var first peer.ID
	away := 0
	for other, p := range n.known {
		if p.visitor && !p.connected {
			if away++; first == "" || p.partedAt < n.known[first].partedAt || p.partedAt == n.known[first].partedAt && other < first {
				first = other
			}
		}
	}
	if away > maxVisitors {
		delete(n.known, first)
	}
}

// Reaches reports whether this site is connected with a peer.
func (n *Neighbours) Reaches(id peer.ID) bool { return n.known[id] != nil && n.known[id].connected }

// Connected returns the peers that this site reaches, in order.
func (n *Neighbours) Connected() []peer.ID {
	var ids []peer.ID
	for id, p := range n.known {
		if p.connected {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, ledger.CompareIDs)
	return ids
}

// Len returns how many peers are remembered.
func (n *Neighbours) Len() int { return len(n.known) }

// HeadAt returns when the next head is due.
func (n *Neighbours) HeadAt() time.Duration { return n.headAt }

// Turn returns the peer whose turn it is to get a head, in the order of their IDs, when it is time.
func (n *Neighbours) Turn(now time.Duration) (peer.ID, bool) {
	if now < n.headAt {
		return "", false
	}
	n.headAt = now + n.every
	ids := n.Connected()
	if len(ids) == 0 {
		return "", false
	}
	i, found := slices.BinarySearchFunc(ids, n.last, ledger.CompareIDs)
	if found {
		i++
	}
	n.last = ids[i%len(ids)]
	return n.last, true
}

// Shown notes that a peer is shown our head now.
func (n *Neighbours) Shown(id peer.ID, now time.Duration) { n.of(id).shown(now) }

// MayAsk reports whether a peer may be shown our head out of turn.
func (n *Neighbours) MayAsk(id peer.ID, now time.Duration) bool {
	return now-n.of(id).askedAt >= askAgain
}

// Answer reports whether a peer is to be sent the certificates from a height on, and notes that it is. One
// that has just been sent them has not had the time to apply them.
func (n *Neighbours) Answer(id peer.ID, height uint64, now time.Duration) bool {
	p := n.of(id)
	if p.answered == height && now-p.answeredAt < askAgain {
		return false
	}
	p.answer(height, now)
	return true
}

// MayTell reports whether a peer is to be told what it has said itself, and notes that it is: not again at once.
func (n *Neighbours) MayTell(id peer.ID, now time.Duration) bool {
	p := n.of(id)
	if now-p.toldAt < askAgain {
		return false
	}
	p.told(now)
	return true
}

// Stands notes the height that a peer says it has decided.
func (n *Neighbours) Stands(id peer.ID, height uint64) { n.of(id).stands(height) }

// Height returns the newest height that a peer has said it has decided.
func (n *Neighbours) Height(id peer.ID) uint64 { return n.of(id).height }

// ShowFork reports whether a peer is to be shown our side of a fork, and notes that it is: not again for a while.
func (n *Neighbours) ShowFork(id peer.ID, now, pause time.Duration) bool {
	p := n.of(id)
	if now < p.forkAt {
		return false
	}
	p.spare(now + pause)
	return true
}

// Split reports whether another entry is certified at any height.
func (n *Neighbours) Split() bool { return len(n.forked) > 0 }

// Forked notes that another entry is certified at a height; it reports whether that is news.
func (n *Neighbours) Forked(height uint64) bool {
	if n.forked[height] {
		return false
	}
	n.forked[height] = true
	return true
}
