package node

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/membership"
)

// describeChange describes a change that is asked for, to the site self.
func describeChange(r *ledger.Roster, self peer.ID, c membership.PendingChange) api.RosterChange {
	d := api.RosterChange{ID: c.ID, Text: c.Change.String(), Change: c.Change, Approvals: []string{}, Withdrawn: []string{}, Joined: c.Joined, Missing: max(0, r.Quorum()-len(c.Approvals))}
	for _, id := range c.Approvals {
		d.Approvals = append(d.Approvals, r.Name(id))
		d.Own = d.Own || id == self
	}
	for _, id := range c.Withdrawn {
		d.Withdrawn = append(d.Withdrawn, r.Name(id))
	}
	slices.Sort(d.Approvals)
	slices.Sort(d.Withdrawn)
	return d
}

// ChangeRoster says the operator's yes to a change of the roster, or takes it back, and returns how the change stands then.
func (o *operator) ChangeRoster(ctx context.Context, req api.ChangeRequest) (api.RosterChange, error) {
	var c *ledger.Change
	var refused error
	err := o.box.ask(ctx, func(m *round.Machine) {
		if c, refused = o.change(m, req); refused == nil {
			check := m.CheckApproval
			if req.Withdraw != "" {
				check = m.CheckTakeBack
			}
			if err := check(c); err != nil {
				refused = api.Refuse(http.StatusConflict, changeHint(err), "%s", plain(err))
			}
		}
	})
	var said round.Event = round.Approve{Change: c}
	if req.Withdraw != "" {
		said = round.TakeBack{Change: c}
	}
	switch {
	case err != nil:
		return api.RosterChange{}, err
	case refused != nil:
		return api.RosterChange{}, refused
	case !o.box.deliver(ctx, said):
		return api.RosterChange{}, api.ErrStopped
	}
	return o.standing(ctx, c, req.Withdraw == "")
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
func (o *operator) change(m *round.Machine, req api.ChangeRequest) (*ledger.Change, error) {
	r := m.Ledger().Roster()
	if !r.Has(o.home.ID) {
		return nil, api.Refuse(http.StatusConflict, "the operators of the mesh's sites can", "this site is not in the roster, so it cannot approve of changes")
	}
	if known := req.Approve + req.Withdraw; known != "" {
		if req.Add != nil || req.Remove != "" || req.Protocol > 0 || req.Weft != "" || req.Approve != "" && req.Withdraw != "" {
			return nil, api.Refuse(http.StatusBadRequest, "", "either a change of one's own, or one to approve of, or one to withdraw from")
		}
		return o.asked(m, known)
	}
	c := &ledger.Change{Version: r.Version(), Protocol: req.Protocol, Weft: req.Weft}
	if req.Remove != "" {
		site, ok := r.Find(req.Remove)
		if !ok {
			return nil, api.Refuse(http.StatusNotFound, "weft roster list shows the sites", "no site %q in the roster", req.Remove)
		}
		c.Remove = &site
	}
	if req.Add != nil {
		c.Add = &ledger.Site{ID: req.Add.ID, Name: req.Add.Name}
	}
	return c, nil
}

// asked finds a pending change by the end of its ID.
func (o *operator) asked(m *round.Machine, id string) (*ledger.Change, error) {
	var found []membership.PendingChange
	for _, c := range m.Changes() {
		if strings.HasSuffix(c.ID.String(), id) {
			found = append(found, c)
		}
	}
	switch len(found) {
	case 1:
		if unknown := found[0].Unknown; len(unknown) > 0 {
			return nil, api.Refuse(http.StatusConflict, "weft peers shows which weft the other sites run; start that one", "this weft does not know all that the change does: unknown field %q", strings.Join(unknown, ", "))
		}
		return found[0].Change, nil
	case 0:
		return nil, api.Refuse(http.StatusNotFound, "weft roster list shows the changes that are asked for", "no change %q is asked for", id)
	}
	return nil, api.Refuse(http.StatusConflict, "give more of its end", "%d changes end with %q", len(found), id)
}

// standing waits until the machine has taken what the operator has said, and says how the change stands. One that is decided
// already has all approvals; one that nobody approves of any more has none.
func (o *operator) standing(ctx context.Context, c *ledger.Change, approves bool) (d api.RosterChange, err error) {
	id := c.ID()
	for {
		done := !approves
		err = o.box.ask(ctx, func(m *round.Machine) {
			r := m.Ledger().Roster()
			d = api.RosterChange{ID: id, Text: c.String(), Change: c, Approvals: []string{}, Withdrawn: []string{}, Missing: r.Quorum()}
			for _, p := range m.Changes() {
				if p.ID == id {
					d = describeChange(r, o.home.ID, p)
					done = d.Own == approves
				}
			}
			if r.Version() > c.Version {
				d, done = api.RosterChange{ID: id, Text: c.String(), Change: c, Approvals: []string{}, Withdrawn: []string{}, Own: true, Joined: true}, true
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
