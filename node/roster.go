package node

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/membership"
	"github.com/weft-mesh/weft/round"
)

// Roster is the sites of the mesh and the changes that are asked for.
type Roster struct {
	Version uint64         `json:"version"` // changes so far
	From    uint64         `json:"from"`    // height from which it is in force
	Quorum  int            `json:"quorum"`
	Sites   []RosterSite   `json:"sites"`
	Former  []RosterSite   `json:"former"` // keys that were a site's
	Changes []RosterChange `json:"changes"`
}

// RosterSite is a site of the roster.
type RosterSite struct {
	Name string  `json:"name"`
	ID   peer.ID `json:"id"`
	Up   bool    `json:"up"` // connected, or this site itself
}

// RosterChange is a change of the roster that sites ask for.
type RosterChange struct {
	ID        block.CID      `json:"id"`
	Text      string         `json:"text"`
	Change    *ledger.Change `json:"change"`
	Approvals []string       `json:"approvals"` // sites that approve
	Withdrawn []string       `json:"withdrawn"` // sites that have taken their approval back
	Missing   int            `json:"missing"`   // approvals until there is a quorum
	Own       bool           `json:"own"`       // whether this site approves
	Joined    bool           `json:"joined"`    // the key that comes has signed, or none comes
}

// ChangeRequest is what the operator says to a change of the roster: yes to one that it asks for itself, by Add, Remove or
// both with one name, or to one that another site has asked for, by Approve; no after a yes, by Withdraw.
type ChangeRequest struct {
	Add      *RosterSite `json:"add,omitempty"`
	Remove   string      `json:"remove,omitempty"`   // a site's name
	Approve  string      `json:"approve,omitempty"`  // the change's ID, or the end of it
	Withdraw string      `json:"withdraw,omitempty"` // likewise
	// Protocol is the number that the mesh is to go by, and Weft the version that brings it; alone, or with Add or Remove.
	Protocol uint64 `json:"protocol,omitempty"`
	Weft     string `json:"weft,omitempty"`
}

// Roster describes the roster in force and what is asked for.
func (n *Node) Roster(ctx context.Context) (s Roster, err error) {
	err = n.ask(ctx, func(m *round.Machine) {
		s = describeRoster(m.Ledger())
		for i := range s.Sites {
			s.Sites[i].Up = s.Sites[i].ID == n.home.ID || n.reach.has(s.Sites[i].ID)
		}
		for _, c := range m.Changes() {
			s.Changes = append(s.Changes, n.describeChange(m.Ledger().Roster(), c))
		}
	})
	return s, err
}

// describeRoster describes the roster in force as far as the ledger knows it.
func describeRoster(l *ledger.Ledger) Roster {
	r := l.Roster()
	s := Roster{Version: r.Version(), From: r.From(), Quorum: r.Quorum(), Sites: []RosterSite{}, Former: []RosterSite{}, Changes: []RosterChange{}}
	for _, site := range r.ByName() {
		s.Sites = append(s.Sites, RosterSite{Name: site.Name, ID: site.ID})
	}
	for id, name := range l.Members() {
		if !r.Has(id) {
			s.Former = append(s.Former, RosterSite{Name: name, ID: id})
		}
	}
	slices.SortFunc(s.Former, func(a, b RosterSite) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return s
}

func (n *Node) describeChange(r *ledger.Roster, c membership.PendingChange) RosterChange {
	d := RosterChange{ID: c.ID, Text: c.Change.String(), Change: c.Change, Approvals: []string{}, Withdrawn: []string{}, Joined: c.Joined, Missing: max(0, r.Quorum()-len(c.Approvals))}
	for _, id := range c.Approvals {
		d.Approvals = append(d.Approvals, r.Name(id))
		d.Own = d.Own || id == n.home.ID
	}
	for _, id := range c.Withdrawn {
		d.Withdrawn = append(d.Withdrawn, r.Name(id))
	}
	slices.Sort(d.Approvals)
	slices.Sort(d.Withdrawn)
	return d
}

// ChangeRoster says the operator's yes to a change of the roster, or takes it back, and returns how the change stands then.
func (n *Node) ChangeRoster(ctx context.Context, req ChangeRequest) (RosterChange, error) {
	var c *ledger.Change
	var refused error
	err := n.ask(ctx, func(m *round.Machine) {
		if c, refused = n.change(m, req); refused == nil {
			check := m.CheckApproval
			if req.Withdraw != "" {
				check = m.CheckTakeBack
			}
			if err := check(c); err != nil {
				refused = refuse(http.StatusConflict, changeHint(err), "%s", plain(err))
			}
		}
	})
	var said round.Event = round.Approve{Change: c}
	if req.Withdraw != "" {
		said = round.TakeBack{Change: c}
	}
	switch {
	case err != nil:
		return RosterChange{}, err
	case refused != nil:
		return RosterChange{}, refused
	case !n.deliver(ctx, said):
		return RosterChange{}, ErrStopped
	}
	return n.standing(ctx, c, req.Withdraw == "")
}

// plain is an error of round without its own words for what is wrong with a message.
func plain(err error) string {
	text := err.Error()
	for _, word := range []error{ledger.ErrMalformed, ledger.ErrInvalid} {
		text = strings.TrimPrefix(text, word.Error()+": ")
	}
	return text
}

// changeHint says what to do about a change that cannot be.
func changeHint(err error) string {
	switch {
	case errors.Is(err, ledger.ErrKeySpent):
		return "let the site make a new key: weft init in a new directory"
	case errors.Is(err, ledger.ErrNameTaken):
		return "for another key of that site: weft roster replace NAME=PEERID"
	case errors.Is(err, ledger.ErrNoApproval):
		return "weft roster list shows who approves of what"
	case errors.Is(err, ledger.ErrNewer):
		return "start that weft at this site first, and at the others"
	case errors.Is(err, ledger.ErrTooMany):
		return "one of them has to be decided first: weft roster list shows them"
	}
	return "weft roster list shows the roster in force"
}

// change returns the change that the operator means; it runs on the loop's goroutine.
func (n *Node) change(m *round.Machine, req ChangeRequest) (*ledger.Change, error) {
	r := m.Ledger().Roster()
	if !r.Has(n.home.ID) {
		return nil, refuse(http.StatusConflict, "the operators of the mesh's sites can", "this site is not in the roster, so it cannot approve of changes")
	}
	if known := req.Approve + req.Withdraw; known != "" {
		if req.Add != nil || req.Remove != "" || req.Protocol > 0 || req.Weft != "" || req.Approve != "" && req.Withdraw != "" {
			return nil, refuse(http.StatusBadRequest, "", "either a change of one's own, or one to approve of, or one to withdraw from")
		}
		return n.asked(m, known)
	}
	c := &ledger.Change{Version: r.Version(), Protocol: req.Protocol, Weft: req.Weft}
	if req.Remove != "" {
		site, ok := r.Find(req.Remove)
		if !ok {
			return nil, refuse(http.StatusNotFound, "weft roster list shows the sites", "no site %q in the roster", req.Remove)
		}
		c.Remove = &site
	}
	if req.Add != nil {
		c.Add = &ledger.Site{ID: req.Add.ID, Name: req.Add.Name}
	}
	return c, nil
}

// asked finds a pending change by the end of its ID.
func (n *Node) asked(m *round.Machine, id string) (*ledger.Change, error) {
	var found []membership.PendingChange
	for _, c := range m.Changes() {
		if strings.HasSuffix(c.ID.String(), id) {
			found = append(found, c)
		}
	}
	switch len(found) {
	case 1:
		if unknown := found[0].Unknown; len(unknown) > 0 {
			return nil, refuse(http.StatusConflict, "weft peers shows which weft the other sites run; start that one", "this weft does not know all that the change does: unknown field %q", strings.Join(unknown, ", "))
		}
		return found[0].Change, nil
	case 0:
		return nil, refuse(http.StatusNotFound, "weft roster list shows the changes that are asked for", "no change %q is asked for", id)
	}
	return nil, refuse(http.StatusConflict, "give more of its end", "%d changes end with %q", len(found), id)
}

// standing waits until the machine has taken what the operator has said, and says how the change stands. One that is decided
// already has all approvals; one that nobody approves of any more has none.
func (n *Node) standing(ctx context.Context, c *ledger.Change, approves bool) (d RosterChange, err error) {
	id := c.ID()
	for {
		done := !approves
		err = n.ask(ctx, func(m *round.Machine) {
			r := m.Ledger().Roster()
			d = RosterChange{ID: id, Text: c.String(), Change: c, Approvals: []string{}, Withdrawn: []string{}, Missing: r.Quorum()}
			for _, p := range m.Changes() {
				if p.ID == id {
					d = n.describeChange(r, p)
					done = d.Own == approves
				}
			}
			if r.Version() > c.Version {
				d, done = RosterChange{ID: id, Text: c.String(), Change: c, Approvals: []string{}, Withdrawn: []string{}, Own: true, Joined: true}, true
			}
		})
		if err != nil || done {
			return d, err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return d, ctx.Err()
		}
	}
}

func (s *server) roster(_ http.ResponseWriter, r *http.Request) (any, error) {
	return s.n.Roster(r.Context())
}

func (s *server) changeRoster(_ http.ResponseWriter, r *http.Request) (any, error) {
	var req ChangeRequest
	if err := decodeBody(r.Body, &req); err != nil {
		return nil, err
	}
	return s.n.ChangeRoster(r.Context(), req)
}
