package sim

import (
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// What the checks know of the roster, from the decided entries alone.

// rosterAt returns the sites that decide a height, which may be one above the newest that is decided.
func (c *checker) rosterAt(height uint64) []peer.ID {
	if height > uint64(len(c.chain)) {
		return c.members
	}
	return c.chain[height-1].roster
}

// maySpeak reports whether a key is a site's where it speaks: at the height of a vote or proposal, or for an update
// at some height while that opening may have been the newest. A site that lags goes by a roster that has passed.
func (c *checker) maySpeak(s *site, at place) bool {
	if at.kind != ledger.KindUpdate {
		return slices.Contains(c.rosterAt(at.height), s.id)
	}
	for h := at.height + 1; h <= uint64(len(c.chain))+1; h++ {
		if slices.Contains(c.rosterAt(h), s.id) {
			return true
		}
	}
	return false
}

// approved counts the signatures that a decided change needs by itself, before it is applied.
func (c *checker) approved(s *site, e *ledger.Changed) {
	wrong := func(format string, args ...any) {
		c.w.fail(s.i, PromiseApproved, fmt.Sprintf("%s: ", &e.Change)+fmt.Sprintf(format, args...))
	}
	body := block.Encode(e.Change)
	data, good := c.signed(ledger.KindApprove, body), map[peer.ID]bool{}
	for _, v := range e.Approvals {
		if slices.Contains(c.members, v.From) && verify(v.From, data, v.Sig) {
			good[v.From] = true
		}
	}
	if q := c.quorum(len(c.members)); len(good) < q {
		wrong("%d sites of %d approve, a quorum is %d", len(good), len(c.members), q)
	}
	for _, v := range e.Approvals {
		if n, knew := len(c.members), c.regrets.knew(e, v.From); n-knew < c.quorum(n) {
			wrong("%s has taken its approval back, as %d of %d sites knew before the height began", v.From.ShortString(), knew, n)
		}
	}
	if e.Change.Version != c.version {
		wrong("it changes version %d, in force is %d", e.Change.Version, c.version)
	}
	if out := e.Change.Remove; out != nil && !slices.Contains(c.members, out.ID) {
		wrong("no site has the key that goes")
	}
	if in := e.Change.Add; in != nil {
		j := e.Join
		switch {
		case c.ever[in.ID]:
			wrong("the key that comes was a site's before")
		case j == nil || j.From != in.ID || !verify(in.ID, c.signed(ledger.KindJoin, j.Body), j.Sig):
			wrong("the key that comes has not signed")
		}
	}
}

// unwanted holds, at the end, that nothing has come about that too few wanted.
func (c *checker) unwanted() {
	for _, h := range c.w.intents {
		if h.few && (h.in != nil && c.ever[h.in.id] || h.out != nil && !slices.Contains(c.members, h.out.id)) {
			c.w.fail(-1, PromiseApproved, "too few operators wanted a change, and it was decided")
		}
	}
}

// changed applies a decided change to the roster that the checks go by.
func (c *checker) changed(e *ledger.Changed) {
	next := slices.Clone(c.members)
	if out := e.Change.Remove; out != nil {
		next = slices.DeleteFunc(next, func(id peer.ID) bool { return id == out.ID })
	}
	if in := e.Change.Add; in != nil {
		next = append(next, in.ID)
		c.ever[in.ID] = true
		if out := e.Change.Remove; out != nil { // one site, whose update of a round counts once whichever key signed it
			for run := range c.bases {
				c.counted[counted{run, in.ID}] = c.counted[counted{run, out.ID}]
			}
		}
	}
	c.members = next
	c.version++
	c.calm.sized(len(next))
}

// sits reports whether a site is in the roster after the newest decided entry.
func (c *checker) sits(s *site) bool { return slices.Contains(c.members, s.id) }
