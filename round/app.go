package round

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/membership"
	"github.com/weft-mesh/weft/round/runs"
)

// app gives the entries of the ledger their meaning in the agreement.
type app struct {
	ledger  *ledger.Ledger
	runs    *runs.Runs
	members *membership.Members
}

// Decode implements [consensus.App].
func (a *app) Decode(data []byte) (consensus.Entry, error) {
	e, err := ledger.DecodeEntry(data)
	if err != nil {
		return nil, err
	}
	if err := a.ledger.Check(e); err != nil {
		return nil, err
	}
	return e, nil
}

// enter returns a decision as the next entry, or nil if it may not follow the head.
func (a *app) enter(d ledger.Decision) *ledger.Entry {
	e := &ledger.Entry{Mesh: a.ledger.Mesh(), Height: a.ledger.Height() + 1, Parent: a.ledger.Head(), Body: d}
	if a.ledger.Check(e) != nil {
		return nil
	}
	return e
}

// Wanted implements [consensus.App].
func (a *app) Wanted() []consensus.Entry {
	var list []consensus.Entry
	for _, c := range a.members.Wanted() {
		if e := a.enter(c); e != nil {
			list = append(list, e)
		}
	}
	for _, e := range a.runs.Wanted(a.enter) {
		list = append(list, e)
	}
	return list
}

// Stance implements [consensus.App].
func (a *app) Stance(x consensus.Entry) consensus.Stance {
	e := x.(*ledger.Entry)
	if c := ledger.As[ledger.Changed](e); c != nil {
		if a.members.StandsBehind(c) {
			return consensus.Agrees
		}
		return consensus.Holds
	}
	switch holds := a.runs.Holds(e); {
	case holds && a.runs.Agrees(e):
		return consensus.Agrees
	case !a.runs.TakesPart(e):
		return consensus.Trusts
	case holds:
		return consensus.Holds
	}
	return consensus.Lacks
}

// Compare implements [consensus.App]: by kind, then the oldest run, then the most updates or figures.
func (a *app) Compare(x, y consensus.Entry) int {
	rank := func(e *ledger.Entry) [3]int {
		k := [3]int{precedence(e)}
		if r := a.ledger.Run(e.Run()); r != nil {
			k[1] = int(r.Height)
		}
		if s := ledger.As[ledger.Seal](e); s != nil {
			k[2] = -len(s.Updates)
		}
		if c := ledger.As[ledger.Closing](e); c != nil {
			k[2] = -len(c.Figures)
		}
		return k
	}
	p, q := rank(x.(*ledger.Entry)), rank(y.(*ledger.Entry))
	for i := range p {
		if p[i] != q[i] {
			return p[i] - q[i]
		}
	}
	return 0
}

// Outdoes implements [consensus.App]: a first seal of the same opening that lists more sites, or a closing entry of the same run,
// so that no proposer can leave a site out as long as another may propose it.
func (a *app) Outdoes(x, y consensus.Entry) bool {
	if more, less := ledger.As[ledger.Closing](x.(*ledger.Entry)), ledger.As[ledger.Closing](y.(*ledger.Entry)); more != nil && less != nil {
		return more.Run == less.Run && len(more.Figures) > len(less.Figures)
	}
	more, less := ledger.As[ledger.Seal](x.(*ledger.Entry)), ledger.As[ledger.Seal](y.(*ledger.Entry))
	return more != nil && less != nil && less.Number == 0 && more.Run == less.Run && len(more.Updates) > len(less.Updates)
}

// Learned implements [consensus.App].
func (a *app) Learned(x consensus.Entry) {
	e := x.(*ledger.Entry)
	if c := ledger.As[ledger.Changed](e); c != nil {
		a.members.Learned(c)
	} else {
		a.runs.Learned(e)
	}
}

// Said implements [consensus.App].
func (a *app) Said(from peer.ID, x consensus.Entry) {
	if c := ledger.As[ledger.Commit](x.(*ledger.Entry)); c != nil {
		a.runs.Compare(from, c)
	}
}

// precedence orders the kinds of entries: what is decided first where several could be.
func precedence(e *ledger.Entry) int {
	switch b := e.Body.(type) {
	case *ledger.Changed:
		return 0
	case *ledger.Commit:
		return 1
	case *ledger.Void:
		return 2
	case *ledger.Open, *ledger.Close:
		return 3
	case *ledger.Seal:
		if b.Number > 0 {
			return 2
		}
	case *ledger.Closing:
		return 5 // the run is over: everything else goes first
	}
	return 4
}
