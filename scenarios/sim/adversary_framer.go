package sim

import (
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

const (
	frameEvery = 200 * time.Millisecond
	frameBurst = 8 // statements at a time
)

// Framer would have honest sites ban each other. It tells one of them at a time what every site passes on, since its signature
// is good, and what every machine refuses, since the ledger says so: whoever blames the neighbour that brought it blames an
// honest site. It also says again, to one site at a time, all that others have said, so that those who pass it on, or their authors,
// seem to flood.
type Framer struct{ heard []*ledger.Signed }

// Name returns the name of its kind.
func (a *Framer) Name() string { return "framer" }

// Boot begins at once.
func (a *Framer) Boot(l *Liar) {
	l.Every(frameEvery, func() {
		others := l.Others()
		to := others[l.rng.IntN(len(others))]
		for range frameBurst {
			if s := a.frame(l); s != nil {
				l.Whisper(to, s)
			}
		}
	})
}

// Hear keeps what others say.
func (a *Framer) Hear(l *Liar, ev round.Event) round.Event {
	if r, ok := ev.(round.Received); ok && r.Message.Statement != nil && r.Message.Statement.From != l.Self() && len(a.heard) < 1000 {
		a.heard = append(a.heard, r.Message.Statement)
	}
	return ev
}

func (a *Framer) frame(l *Liar) *ledger.Signed {
	nonsense := &ledger.Entry{Mesh: l.Ledger().Mesh(), Height: l.next(), Parent: l.Ledger().Head(), Body: &ledger.Commit{Run: l.nowhere(), Model: l.nowhere(), Seal: l.nowhere()}}
	switch l.rng.IntN(4) {
	case 0:
		view := l.rng.Uint64N(1 << 20)
		if l.Ledger().Roster().Proposer(l.Ledger().Head(), view) == l.Self() {
			return nil
		}
		l.Did("proposed what is another's to propose")
		return l.Sign(consensus.KindProposal, &consensus.Proposal{Height: l.next(), View: view, ValidView: -1, Entry: nonsense.Data()})
	case 1:
		l.Did("was ready for what is not valid")
		return l.Sign(consensus.KindReady, &consensus.Ready{Height: l.next(), Entry: nonsense.CID(), Data: nonsense.Data()})
	case 2:
		l.Did("was ready for an entry with the bytes of another")
		return l.Sign(consensus.KindReady, &consensus.Ready{Height: l.next(), Entry: block.Sum(block.DagCBOR, []byte{byte(l.rng.Uint32())}), Data: nonsense.Data()})
	}
	if len(a.heard) == 0 {
		return nil
	}
	l.Did("said again what others had said")
	return a.heard[l.rng.IntN(len(a.heard))]
}
