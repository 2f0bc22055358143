package sim

import (
	"bytes"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/runs"
)

// Silencer wants a site that has restarted to believe that it has said more than it knows: in its heads it claims to hold
// votes and updates of it, its answers bring statements that it has made up, or are said to be of heights to come; then it
// says nothing to that site for a while. It attacks the claim that nothing unsigned can silence a site, and nothing can that
// the site has not signed itself.
type Silencer struct {
	until map[peer.ID]time.Duration // of its silence to each site, by the world's clock
}

// Name returns the name of its kind.
func (a *Silencer) Name() string { return "silencer" }

// Hear waits for a site that has restarted.
func (a *Silencer) Hear(l *Liar, ev round.Event) round.Event {
	r, ok := ev.(round.Received)
	if !ok || r.Message.Head == nil || !r.Message.Head.Restarted || l.s.w.now < a.until[r.From] {
		return ev
	}
	if a.until == nil {
		a.until = map[peer.ID]time.Duration{}
	}
	a.claim(l, r.From)
	a.invent(l, r.From)
	a.until[r.From] = l.s.w.now + 30*time.Second
	return nil
}

// claim shows a head by which it has votes of every site in every view that is near, and updates.
func (a *Silencer) claim(l *Liar, to peer.ID) {
	l.Did("claimed to hold votes of a site that has restarted")
	all := bytes.Repeat([]byte{2 + byte(l.rng.IntN(254))}, l.Ledger().Roster().Len())
	h := &round.Head{Height: l.Ledger().Height(), Entry: l.Ledger().Head(), Past: []consensus.Votes{}, Named: []byte{}, Protocol: ledger.Newest}
	h.Now = consensus.Votes{View: l.rng.Uint64N(4), Proposal: 2, Prevotes: all, Precommits: all}
	for _, r := range l.Ledger().Runs() {
		if r.Active() {
			bits := bytes.Repeat([]byte{0xff}, (len(all)+7)/8)
			h.Runs = append(h.Runs, runs.RunHead{Run: r.ID, Updates: bits, Consents: bits})
		}
	}
	l.Send(round.Send{To: to, Message: &round.Message{Attempt: l.rng.Uint64(), Head: h}})
}

// invent answers with a vote in the site's name that it has not signed.
func (a *Silencer) invent(l *Liar, to peer.ID) {
	l.Did("made up votes of a site that has restarted")
	vote := l.Sign(ledger.KindPrevote, &ledger.Vote{Height: l.next(), Entry: l.nowhere()})
	vote.From = to
	said := &round.Said{Height: l.Ledger().Height(), List: []ledger.Signed{*vote}}
	if l.rng.IntN(2) == 0 {
		said = &round.Said{Height: l.next() + 1000, List: []ledger.Signed{}}
	}
	l.Send(round.Send{To: to, Message: &round.Message{Attempt: l.rng.Uint64(), Said: said}})
}

// Send says nothing to those whom it has lied to.
func (a *Silencer) Send(l *Liar, s round.Send) {
	for _, id := range l.audience(s) {
		if l.s.w.now >= a.until[id] {
			l.Send(round.Send{To: id, Message: s.Message})
		}
	}
}
