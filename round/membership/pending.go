package membership

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// pending is a change of the roster that sites ask for and the ledger does not have yet.
type pending struct {
	*ledger.Change
	id          block.CID
	approvals   map[peer.ID]*ledger.Signed
	withdrawals map[peer.ID]*ledger.Signed // the newest of each site whose approval is here
	join        *ledger.Signed             // the newest of the key that comes
	at          *ledger.Join               // its body
}

func newPending(c *ledger.Change, id block.CID) *pending {
	return &pending{Change: c, id: id, approvals: map[peer.ID]*ledger.Signed{}, withdrawals: map[peer.ID]*ledger.Signed{}}
}

// approves reports whether a site approves: it has said so, and not taken it back.
func (c *pending) approves(id peer.ID) bool {
	w := c.withdrawal(id)
	return c.approvals[id] != nil && (w == nil || !w.Withdrawn)
}

// withdrawal returns the newest of a site, or nil.
func (c *pending) withdrawal(id peer.ID) *ledger.Withdraw {
	if s := c.withdrawals[id]; s != nil {
		b, _ := ledger.BodyOf[ledger.Withdraw](s, ledger.KindWithdraw) // it was read when it came
		return b
	}
	return nil
}

// serial returns that of a site's newest withdrawal, 0 if there is none.
func (c *pending) serial(id peer.ID) uint64 {
	if w := c.withdrawal(id); w != nil {
		return w.Serial
	}
	return 0
}

// unknown returns the fields of the change that this program does not know. It cannot form the entry then.
func (c *pending) unknown() []string {
	for _, s := range c.approvals {
		return s.Unknown() // their bytes are the same
	}
	return nil
}

// support returns how many sites approve.
func (c *pending) support() (n int) {
	for id := range c.approvals {
		if c.approves(id) {
			n++
		}
	}
	return n
}

// joined returns the height that the newest join names; -1 if there is none.
func (c *pending) joined() int64 {
	if c.join == nil {
		return -1
	}
	return int64(c.at.Height)
}

// comes takes a join; it reports whether it is the first.
func (c *pending) comes(s *ledger.Signed, j *ledger.Join) bool {
	first := c.join == nil
	c.join, c.at = s, j
	return first
}

// ready reports whether the key that comes, if one does, has signed at a recent head.
func (c *pending) ready(l *ledger.Ledger) bool {
	return c.Add == nil || c.join != nil && l.Recent(c.at)
}

// decision returns the change as it can be decided, with the approvals of the sites that approve.
func (c *pending) decision(r *ledger.Roster) *ledger.Changed {
	d := &ledger.Changed{Change: *c.Change}
	if c.Add != nil {
		d.Join = c.join
	}
	for _, site := range r.Sites() {
		if c.approves(site.ID) {
			s := c.approvals[site.ID]
			d.Approvals = append(d.Approvals, ledger.CertVote{From: s.From, Sig: s.Sig})
		}
	}
	return d
}

// approve takes a site's approval.
func (c *pending) approve(s *ledger.Signed) { c.approvals[s.From] = s }

// withdraw takes what a site says of its approval since.
func (c *pending) withdraw(s *ledger.Signed) { c.withdrawals[s.From] = s }

// drop forgets a site's approval; it reports whether nobody else has approved.
func (c *pending) drop(id peer.ID) bool {
	delete(c.withdrawals, id)
	delete(c.approvals, id)
	return len(c.approvals) == 0
}
