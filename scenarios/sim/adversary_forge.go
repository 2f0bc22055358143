package sim

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/peerlog"
)

// Forger says things in other sites' names: statements with its own signature under their names, their
// real signatures under altered bodies, damaged signatures, certificates made of prevotes, evidence
// of doubles that never were, and evidence made of true votes of two views. It attacks authenticity: nothing of it
// may be believed, and no honest site may be named.
type Forger struct {
	entry []byte                                  // of the newest candidate
	votes map[block.CID]map[string]*ledger.Signed // prevotes heard, by entry and author
	last  map[peer.ID]*ledger.Signed              // of each author
	at    uint64
}

// Name returns the name of its kind.
func (a *Forger) Name() string { return "forger" }

// Hear forges one thing of every few that it hears.
func (a *Forger) Hear(l *Liar, ev round.Event) round.Event {
	s, body := l.heard(ev)
	if body == nil {
		return ev
	}
	a.note(l, s, body)
	if l.rng.IntN(4) > 0 {
		return ev
	}
	switch l.rng.IntN(5) {
	case 0:
		l.Did("signed in another's name")
		l.Say(&ledger.Signed{From: l.another(s), Kind: s.Kind, Body: s.Body, Sig: s.Sig})
	case 1:
		l.Did("signed in another's name")
		own := l.Sign(s.Kind, a.altered(l, body))
		l.Say(&ledger.Signed{From: s.From, Kind: own.Kind, Body: own.Body, Sig: own.Sig})
	case 2:
		l.Did("altered what another signed")
		l.Say(&ledger.Signed{From: s.From, Kind: s.Kind, Body: block.Encode(a.altered(l, body)), Sig: s.Sig})
	case 3:
		l.Did("forged evidence")
		forged := ledger.Signed{From: s.From, Kind: s.Kind, Body: block.Encode(a.altered(l, body)), Sig: s.Sig}
		l.Send(round.Send{Message: &round.Message{Attempt: l.rng.Uint64(), Evidence: &peerlog.Evidence{A: *s, B: forged}}})
	default:
		a.certify(l)
	}
	return ev
}

// note remembers what a certificate can be made to look like.
func (a *Forger) note(l *Liar, s *ledger.Signed, body ledger.Body) {
	if a.at != l.next() {
		a.at, a.entry, a.votes, a.last = l.next(), nil, map[block.CID]map[string]*ledger.Signed{}, map[peer.ID]*ledger.Signed{}
	}
	switch b := body.(type) {
	case *consensus.Ready:
		if b.Height == a.at && len(b.Data) > 0 {
			a.entry = b.Data
		}
	case *ledger.Vote:
		if b.Height == a.at && s.Kind == ledger.KindPrevote && len(a.votes) < 100 {
			if a.votes[b.Entry] == nil {
				a.votes[b.Entry] = map[string]*ledger.Signed{}
			}
			a.votes[b.Entry][string(s.From)] = s
			a.blame(l, s, b)
		}
	}
}

// blame shows two prevotes of a site that may well differ, as they are of different views.
func (a *Forger) blame(l *Liar, s *ledger.Signed, b *ledger.Vote) {
	if old := a.last[s.From]; old != nil {
		was, _ := old.Open()
		if v := was.(*ledger.Vote); v.View != b.View && v.Entry != b.Entry {
			l.Did("blamed a site for voting in two views")
			l.Send(round.Send{Message: &round.Message{Attempt: l.rng.Uint64(), Evidence: &peerlog.Evidence{A: *old, B: *s}}})
		}
	}
	a.last[s.From] = s
}

// certify sends a candidate with a certificate of prevotes where it has them, and of its own
// signature for all others.
func (a *Forger) certify(l *Liar) {
	if a.entry == nil {
		return
	}
	c := block.Sum(block.DagCBOR, a.entry)
	v := ledger.Vote{Height: a.at, Entry: c}
	own := l.Sign(ledger.KindPrecommit, &v).Sig
	cert := ledger.Certificate{Mesh: l.Ledger().Mesh(), Height: a.at, Entry: c}
	for _, site := range l.Ledger().Roster().Sites() {
		sig := own
		if s := a.votes[c][string(site.ID)]; s != nil {
			sig = s.Sig
		}
		cert.Votes = append(cert.Votes, ledger.CertVote{From: site.ID, Sig: sig})
	}
	l.Did("forged a certificate")
	for _, to := range l.Others() {
		l.Send(round.Send{To: to, Message: &round.Message{Attempt: l.rng.Uint64(), Certified: []ledger.Certified{{Entry: a.entry, Certificate: cert}}}})
	}
}

// another returns a third site.
func (l *Liar) another(s *ledger.Signed) (id peer.ID) {
	ids := slices.DeleteFunc(l.Others(), func(id peer.ID) bool { return id == s.From })
	if len(ids) == 0 {
		return s.From
	}
	return ids[l.rng.IntN(len(ids))]
}

// altered returns another body for the same place.
func (a *Forger) altered(l *Liar, body ledger.Body) ledger.Body {
	switch b := body.(type) {
	case *ledger.Vote:
		c := *b
		if c.Entry.Defined() {
			c.Entry = block.CID{}
		} else {
			c.Entry = l.nowhere()
		}
		return &c
	case *consensus.Ready:
		return &consensus.Ready{Height: b.Height, Entry: l.nowhere()}
	case *ledger.Update:
		c := *b
		c.Manifest = l.nowhere()
		return &c
	case *ledger.Consent:
		return &ledger.Consent{Run: b.Run, Accept: !b.Accept, Serial: b.Serial + 1}
	case *ledger.Stop:
		return &ledger.Stop{Run: b.Run, Reason: b.Reason + "!"}
	case *ledger.Skip:
		c := *b
		c.Reason += "!"
		return &c
	case *consensus.Proposal:
		c := *b
		if a.entry != nil {
			c.Entry = a.entry
		}
		c.View++
		return &c
	}
	return body
}
