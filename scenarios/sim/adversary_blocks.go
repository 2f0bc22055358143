package sim

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/runs"
)

// Withholder announces its updates and serves nothing, or only so many other sites. It attacks the claim
// that what is sealed can be fetched: an update that a quorum does not hold must not be sealed, and
// who has it must pass it on.
type Withholder struct {
	Serves int // to so many sites, the first that ask
	chosen map[peer.ID]bool
}

// Name returns the name of its kind.
func (a *Withholder) Name() string {
	if a.Serves > 0 {
		return "miser"
	}
	return "withholder"
}

// Serve turns away whoever is not chosen.
func (a *Withholder) Serve(l *Liar, _ block.CID, to peer.ID) Service {
	if len(a.chosen) < a.Serves {
		if a.chosen == nil {
			a.chosen = map[peer.ID]bool{}
		}
		a.chosen[to] = true
	}
	if a.chosen[to] {
		return Serve
	}
	l.Did("withheld an artifact")
	return Withhold
}

// WrongBlocks serves blocks that do not match what was asked for. It attacks the claim that every block
// is verified before it is kept.
type WrongBlocks struct{}

// Name returns the name of its kind.
func (a *WrongBlocks) Name() string { return "wrong-blocks" }

// Serve serves garbage.
func (a *WrongBlocks) Serve(l *Liar, _ block.CID, _ peer.ID) Service {
	l.Did("served wrong blocks")
	return Garbage
}

// Pretender is ready for every entry that it hears of and votes for every proposal at once, prevote and
// precommit, whether it holds the inputs or not, and serves none but its own updates. It attacks
// readiness: what is decided must be held by honest sites all the same.
type Pretender struct {
	ballot
	ready map[block.CID]bool
	own   map[block.CID]bool // its updates
}

// Name returns the name of its kind.
func (a *Pretender) Name() string { return "pretender" }

// Hear answers what others are ready for, and propose.
func (a *Pretender) Hear(l *Liar, ev round.Event) round.Event {
	if t, ok := ev.(runs.Trained); ok {
		if a.own == nil {
			a.own = map[block.CID]bool{}
		}
		a.own[t.Manifest] = true
	}
	_, body := l.heard(ev)
	if e := l.spoken(body); e.Defined() && !a.ready[e] {
		if a.ready == nil || len(a.ready) > 1000 {
			a.ready = map[block.CID]bool{}
		}
		a.ready[e] = true
		l.Did("was ready for what it does not hold")
		l.Repeat(l.Sign(consensus.KindReady, &consensus.Ready{Height: l.next(), Entry: e}))
	}
	if p, ok := body.(*consensus.Proposal); ok && p.Height == l.next() {
		e := block.Sum(block.DagCBOR, p.Entry)
		a.vote(l, ledger.KindPrevote, p.View, e, "prevoted unseen")
		a.vote(l, ledger.KindPrecommit, p.View, e, "precommitted unseen")
	}
	return ev
}

// Send sends what does not contradict its own votes.
func (a *Pretender) Send(l *Liar, s round.Send) {
	st, body := l.own(s)
	if v, ok := body.(*ledger.Vote); ok && !a.takes(l, st, v) {
		return
	}
	l.Send(s)
}

// Serve serves its updates only.
func (a *Pretender) Serve(_ *Liar, manifest block.CID, _ peer.ID) Service {
	if a.own[manifest] {
		return Serve
	}
	return Withhold
}

// Rusher votes nil, prevote and precommit, in views that have not come yet. It attacks progress: f sites
// must not drag the others from view to view.
type Rusher struct{ ballot }

// Name returns the name of its kind.
func (a *Rusher) Name() string { return "rusher" }

// Send votes ahead of the view that the machine is in.
func (a *Rusher) Send(l *Liar, s round.Send) {
	st, body := l.own(s)
	v, ok := body.(*ledger.Vote)
	if !ok {
		l.Send(s)
		return
	}
	if a.takes(l, st, v) {
		l.Send(s)
	}
	if v.Height != l.next() {
		return
	}
	for _, ahead := range []uint64{1, 2, 3, 1 + l.rng.Uint64N(20)} {
		a.vote(l, ledger.KindPrevote, v.View+ahead, block.CID{}, "prevoted ahead of time")
		a.vote(l, ledger.KindPrecommit, v.View+ahead, block.CID{}, "precommitted ahead of time")
	}
}
