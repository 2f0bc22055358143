package sim

import (
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/gossip/conduct"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/intake"
	"github.com/weft-mesh/weft/trace"
)

// arrives hands what has come to the machine, if it is worth it.
func (s *site) arrives(ev round.Event) {
	if r, ok := ev.(round.Received); ok && s.judge(&r) < intake.Keep {
		return
	}
	s.happen(ev)
}

// judge is what a node does with a message before its machine gets it. Liars take what they can get.
func (s *site) judge(r *round.Received) intake.Verdict {
	if s.liar != nil {
		return intake.Relay
	}
	verdict, why := s.intake.Judge(s.w.clockTime(), r.From, r.Message, r.Bytes, standing{s.machine.Ledger()})
	if verdict == intake.Strike {
		s.blame(r.From, why)
		return intake.Drop
	}
	return verdict
}

// clockTime is the time in the world, for code that wants a date.
func (w *World) clockTime() time.Time { return time.Unix(1e9, 0).Add(w.now) }

// blame counts a misdeed of a peer, and refuses it for a while when there are too many.
func (s *site) blame(id peer.ID, why error) {
	other, known := s.w.index[id]
	if !known || s.liar != nil {
		return
	}
	s.w.observe(s.i, trace.Rejected{Subject: trace.Of(id), Why: why.Error()})
	_, until := s.conduct.Strike(id, conduct.Message, s.w.clockTime())
	if until.IsZero() {
		return
	}
	o := s.w.sites[other]
	if o.liar == nil && s.w.check != nil {
		s.w.fail(s.i, "no honest site is banned", fmt.Sprintf("%s: %v", o.Name, why))
	}
	o.refused()
	s.ban(o, s.w.now+until.Sub(s.w.clockTime()))
}

// ban ends the connection with a site, and makes none before a time.
func (s *site) ban(o *site, until time.Duration) {
	s.banned[o.i] = until
	if s.w.net.joined[s.i*s.w.net.n+o.i] {
		s.w.net.part(s, o, 0)
	}
	life := s.life
	s.w.at(until, func() {
		if s.up && s.life == life && o.up {
			s.w.net.dial(s, o)
		}
	})
}

// bans reports whether a site is refused.
func (s *site) bans(o *site) bool { return s.w.now < s.banned[o.i] }

// refused counts that the site was banned.
func (s *site) refused() { s.bannedBy++ }

// Banned returns how often other sites have banned a site.
func (w *World) Banned(site int) int { return w.sites[site].bannedBy }

// standing is a site's, by its ledger.
type standing struct{ ledger *ledger.Ledger }

var _ intake.Standing = standing{}

func (s standing) Height() uint64         { return s.ledger.Height() }
func (s standing) Roster() *ledger.Roster { return s.ledger.Roster() }

// Member reports whether a key is a site's or was.
func (s standing) Member(id peer.ID) bool { return s.ledger.Roster().Has(id) || s.ledger.HasBeen(id) }

// Knows returns the newest protocol number: all machines here are of one version.
func (s standing) Knows(peer.ID) uint64 { return ledger.Newest }

// Over reports whether nothing that is said of a run's round, or with 0 of the run, can count any more.
func (s standing) Over(run block.CID, r uint64) bool {
	of := s.ledger.Run(run)
	switch {
	case of == nil:
		return false
	case r > 0:
		return !of.Active() || r+ledger.MaxStale < of.Round
	}
	return !of.Active() && !of.Measurable()
}
