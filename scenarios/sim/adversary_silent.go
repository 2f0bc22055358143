package sim

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

// Silent says nothing and serves nothing. From round From on it begins with its first prevote, when
// its update is announced and may be sealed already. It attacks progress: up to f sites may be missing.
type Silent struct {
	From  uint64 // round; 0: from the start
	quiet bool
}

// Name returns the name of its kind.
func (a *Silent) Name() string {
	if a.From > 0 {
		return "falls-silent"
	}
	return "silent"
}

// Send sends what came before the silence.
func (a *Silent) Send(l *Liar, s round.Send) {
	if !a.quiet {
		a.quiet = a.From == 0 || l.says(s, ledger.KindPrevote) && l.round() >= a.From
	}
	if a.quiet {
		l.Did("said nothing")
		return
	}
	l.Send(s)
}

// Serve serves nobody any more.
func (a *Silent) Serve(l *Liar, _ block.CID, _ peer.ID) Service {
	if a.quiet {
		l.Did("served nothing")
		return Withhold
	}
	return Serve
}

// Selective talks with half of the others only. It attacks the claim that what one honest site has, all
// get: heads must carry it to the other half.
type Selective struct{ half map[peer.ID]bool }

// Name returns the name of its kind.
func (a *Selective) Name() string { return "selective" }

// Boot chooses whom to talk to, once.
func (a *Selective) Boot(l *Liar) {
	if a.half == nil {
		a.half = l.Half()
	}
}

// Send sends to the chosen.
func (a *Selective) Send(l *Liar, s round.Send) {
	for _, id := range l.audience(s) {
		if a.half[id] {
			l.Send(round.Send{To: id, Message: s.Message})
		} else {
			l.Did("left a site out")
		}
	}
}

// Serve serves the chosen.
func (a *Selective) Serve(l *Liar, _ block.CID, to peer.ID) Service {
	if a.half[to] {
		return Serve
	}
	l.Did("served a site nothing")
	return Withhold
}
