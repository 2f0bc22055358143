package peerlog

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// What one peer is answered with, whatever it asks: a head of 200 bytes asks for a quarter of a megabyte, and nothing signs it.
const (
	answerRate  = 1 << 20 // bytes a second
	answerBurst = 1 << 20 // bytes at once: the longest message
	answerPer   = 2       // bytes for each that it sends itself
	answerMost  = 4 << 20 // bytes that what it sends may save up
)

// answers is what may still be sent to a peer in answer to what it says. Decided entries that it has not been sent before are beside
// that: a site that catches up gets the ledger once as fast as it can take it, and what it asks for again at this rate. Connecting
// anew begins nothing anew.
type answers struct {
	left  int64 // bytes
	at    time.Duration
	given uint64 // newest height of the entries that it was sent
}

func (a *answers) refill(now time.Duration) {
	if a.left < answerBurst {
		a.left = min(answerBurst, a.left+int64(float64(now-a.at)/float64(time.Second)*answerRate))
	}
	a.at = now
}

func (a *answers) earn(bytes int) {
	a.left = max(a.left, min(a.left+answerPer*int64(bytes), answerMost))
}

// take charges for bytes; false: there are not so many left.
func (a *answers) take(bytes int) bool {
	if a.left < int64(bytes) {
		return false
	}
	a.left -= int64(bytes)
	return true
}

func (a *answers) give(height uint64) { a.given = max(a.given, height) }

// Earned notes that a peer has sent so many bytes.
func (n *Neighbours) Earned(id peer.ID, bytes int, now time.Duration) {
	if p := n.known[id]; p != nil && bytes > 0 {
		p.answers.refill(now)
		p.answers.earn(bytes)
	}
}

// MayAnswer reports whether a peer may be answered with so many bytes, and charges them.
func (n *Neighbours) MayAnswer(id peer.ID, bytes int, now time.Duration) bool {
	p := n.of(id)
	p.answers.refill(now)
	return p.answers.take(bytes)
}

// Given returns the newest height of the decided entries that a peer was sent: later ones are not charged.
func (n *Neighbours) Given(id peer.ID) uint64 { return n.of(id).answers.given }

// Give notes that a peer is sent decided entries up to a height.
func (n *Neighbours) Give(id peer.ID, height uint64) { n.of(id).answers.give(height) }
