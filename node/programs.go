package node

import (
	"cmp"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

// program is what a site says of the weft that it runs. It may lie: nothing that is certified depends on it.
type program struct {
	Weft     string // its version; "?" if it does not say
	Protocol uint64 // newest number that it knows
	Mute     bool   // it does not vote for now
}

// programs are what the roster's sites said last.
type programs struct {
	mu   sync.Mutex
	said map[peer.ID]program
}

// heard notes what a head says, and forgets keys that are no site's any more.
func (p *programs) heard(from peer.ID, head *round.Head, roster *ledger.Roster) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.said == nil {
		p.said = map[peer.ID]program{}
	}
	if len(p.said) > roster.Len() {
		for id := range p.said {
			if !roster.Has(id) {
				delete(p.said, id)
			}
		}
	}
	if roster.Has(from) {
		p.said[from] = program{cmp.Or(head.Weft, "?"), max(1, head.Protocol), head.Mute}
	}
}

// mute returns how many sites of a roster have said last that they do not vote.
func (p *programs) mute(roster *ledger.Roster) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, said := range p.said {
		if said.Mute && roster.Has(id) {
			n++
		}
	}
	return n
}

// of returns what a site said last, if it has said anything.
func (p *programs) of(id peer.ID) (program, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	said, ok := p.said[id]
	return said, ok
}
