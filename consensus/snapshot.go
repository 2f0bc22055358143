package consensus

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// Footprint is how much an agreement keeps of what others have sent it.
type Footprint struct {
	Candidates int // that somebody has spoken of at this height
	Entries    int // of them those whose bytes are known
	Proposals  int // of this height
	Votes      int // of this height
	Past       int // votes and proposals of decided heights
}

// Footprint counts what the agreement keeps.
func (a *Agreement) Footprint() Footprint {
	h := a.height
	k := Footprint{Candidates: len(h.candidates), Proposals: len(h.proposals), Votes: h.voted()}
	for _, c := range h.candidates {
		if c.entry != nil {
			k.Entries++
		}
	}
	for _, past := range a.past {
		k.Past += past.voted() + len(past.proposals)
	}
	return k
}

func (h *height) voted() (n int) {
	for _, views := range []map[uint64]*tally{h.prevotes, h.precommits} {
		for _, t := range views {
			n += len(t.votes)
		}
	}
	return n
}

// Snapshot is where an agreement stands, for people and tests.
type Snapshot struct {
	Height     uint64
	View       uint64
	Step       string // propose, prevote or precommit: the vote that comes next is of this step, or after it
	Opened     bool   // there is something to decide
	Ripe       bool   // a quorum is ready for a candidate
	Pace       time.Duration
	Candidates map[block.CID]Candidate
	Proposals  map[uint64]block.CID // by view
	Voted      map[Vote]block.CID   // own votes of the views that still matter
	Views      int                  // views of which votes are kept
}

// Candidate is an entry that may be decided, and the sites that are ready for it.
type Candidate struct {
	Entry Entry // nil: its bytes are not known
	Ready map[peer.ID]bool
}

// Vote is a place where a site votes once.
type Vote struct {
	Kind ledger.Kind
	View uint64
}

// Snapshot returns where the agreement stands.
func (a *Agreement) Snapshot() Snapshot {
	h := a.height
	s := Snapshot{
		Height: h.number, View: h.view, Step: [...]string{"propose", "prevote", "precommit"}[h.step], Opened: h.opened, Ripe: h.ripe >= 0, Pace: a.pace,
		Candidates: map[block.CID]Candidate{}, Proposals: map[uint64]block.CID{}, Voted: map[Vote]block.CID{}, Views: len(h.prevotes) + len(h.precommits),
	}
	for id, c := range h.candidates {
		s.Candidates[id] = Candidate{c.entry, c.ready}
	}
	for view, p := range h.proposals {
		s.Proposals[view] = p.entry.CID()
	}
	for at, own := range h.mine {
		body, _ := own.Open()
		if v, ok := body.(*ledger.Vote); ok {
			s.Voted[Vote{at.kind, at.view}] = v.Entry
		}
	}
	return s
}
