package node

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/jobs"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/runs"
)

const (
	lookAround    = 200 * time.Millisecond // between two looks at what goes wrong here
	complainLeast = 10 * time.Second       // between two statements about a run
	linkMemory    = time.Minute            // for which a link that was down is told of: before that, nobody could be told
)

// complainer tells the other sites, by class, what goes wrong at this one.
type complainer struct {
	home      *site.Home
	config    *config.Live
	box       *mailbox
	views     *views
	reach     *reach
	snapshots *snapshots
	jobs      *jobs.Jobs
	start     time.Time

	said map[block.CID]time.Time
	cut  time.Time // when fewer sites than a quorum were reached last
}

// run looks around until ctx ends.
func (c *complainer) run(ctx context.Context) error {
	c.said = map[block.CID]time.Time{}
	tick := time.NewTicker(lookAround)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			c.look(ctx, now)
		case <-ctx.Done():
			return nil
		}
	}
}

// look has the machine say what has changed.
func (c *complainer) look(ctx context.Context, now time.Time) {
	v, shot := c.views.now(), c.snapshots.now()
	if v.observes {
		return
	}
	if q := v.roster.Quorum(); v.up(c.reach.list(), c.home.ID) < q && now.Sub(c.start) > linkMemory {
		c.cut = now
	}
	for _, r := range shot.runs {
		id, name := r.status.ID, v.ownName(c.home)
		if !r.active || !slices.Contains(r.status.Takes, name) || now.Sub(c.said[id]) < complainLeast {
			continue
		}
		classes, text := c.classes(id, slices.Contains(shot.status.Named, name), now)
		told := r.status.Troubles[name]
		if !slices.Equal(told.Classes, classes) || told.Text != text {
			c.said[id] = now
			c.box.deliver(ctx, runs.Troubled{Run: id, Classes: classes, Text: text})
		}
	}
}

// classes returns what goes wrong here in a run, ascending, and the words that the operator shares.
func (c *complainer) classes(run block.CID, named bool, now time.Time) (list []ledger.TroubleClass, text string) {
	list, text = c.jobs.Troubles(run)
	if named {
		list = append(list, ledger.Excluded)
	}
	if !c.cut.IsZero() && now.Sub(c.cut) < linkMemory {
		list = append(list, ledger.LinkDown)
	}
	slices.Sort(list)
	if !c.config.Now().ShareErrors {
		text = ""
	}
	return list, shareable(text)
}

// shareable cuts a text to what a statement may have.
func shareable(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), ledger.MaxReason)], "")
}

// describeTroubles gathers what the sites say of what goes wrong there at the moment.
func describeTroubles(m *round.Machine, r *ledger.Run) map[string]api.Trouble {
	all := map[string]api.Trouble{}
	for _, site := range m.Ledger().Roster().Sites() {
		if b := m.Said(r.ID, site.ID).Trouble; b != nil && len(b.Classes) > 0 {
			all[site.Name] = api.Trouble{Classes: b.Classes, Text: b.Text}
		}
	}
	return all
}
