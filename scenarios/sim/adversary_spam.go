package sim

import (
	"bytes"
	"math"
	"time"

	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/peerlog"
	"github.com/weft-mesh/weft/round/runs"
)

const (
	spamEvery = 300 * time.Millisecond
	spamBurst = 12 // messages of one sort at a time
	spamJunk  = 40 // junk runs in all
)

// Spammer floods the mesh with what costs an honest site memory, time or trust: candidates without end,
// votes far ahead, messages of heights and runs that do not exist, descriptions of runs that name a
// real base with a wrong layout, updates that nobody has, heads that lie, evidence that proves nothing,
// certificates of nothing. It attacks the bounds: queues stay small, honest messages are not pushed
// out, honest runs are not harmed.
type Spammer struct{ runs int }

// Name returns the name of its kind.
func (a *Spammer) Name() string { return "spammer" }

// Boot begins with junk runs, before anybody opens an honest one.
func (a *Spammer) Boot(l *Liar) {
	l.Every(spamEvery, func() {
		sorts := []func(*Liar){
			spamCandidates, a.spamRuns, spamViews, spamEarly, spamUpdates, spamHeads, spamEvidence, spamCertificates, spamConsents, spamProposals,
		}
		sort := sorts[l.rng.IntN(len(sorts))]
		for range spamBurst {
			sort(l)
		}
	})
}

// wild returns a number that is near n, or at the edge of what fits.
func wild(l *Liar, n uint64) uint64 {
	edges := []uint64{0, 1, n - 1, n, n + 1, n + 2, n + 16, n + 1000, 1 << 31, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64 - 1, math.MaxUint64}
	return edges[l.rng.IntN(len(edges))]
}

func spamCandidates(l *Liar) {
	l.Did("candidates that are not there")
	l.Say(l.Sign(consensus.KindReady, &consensus.Ready{Height: l.next(), Entry: l.nowhere()}))
}

// spamRuns asks for runs on a base that others need, as something that it is not. It stops after a while:
// each that was opened would have to be trained.
func (a *Spammer) spamRuns(l *Liar) {
	if a.runs >= spamJunk {
		return
	}
	specs := l.Planned()
	for _, r := range l.Ledger().Runs() {
		specs = append(specs, r.Spec)
	}
	if len(specs) == 0 {
		return
	}
	junk := *specs[l.rng.IntN(len(specs))]
	junk.Name, junk.By, junk.Layout = "junk", l.Self(), l.nowhere()
	nonce := l.nowhere().Digest()
	junk.Nonce = nonce[:16]
	e := &ledger.Entry{Mesh: l.Ledger().Mesh(), Height: l.next(), Parent: l.Ledger().Head(), Body: &ledger.Open{Spec: *l.Sign(ledger.KindOpen, &junk)}}
	if l.Ledger().Check(e) == nil {
		a.runs++
		l.Did("junk runs")
		l.Say(l.Sign(consensus.KindReady, &consensus.Ready{Height: e.Height, Entry: e.CID(), Data: e.Block().Data}))
	}
}

func spamViews(l *Liar) {
	l.Did("votes far ahead")
	kind := []ledger.Kind{ledger.KindPrevote, ledger.KindPrecommit}[l.rng.IntN(2)]
	view := wild(l, 40)
	if view < 30 {
		view = math.MaxUint64 // near ones are for true votes: it would be named
	}
	l.Say(l.Sign(kind, &ledger.Vote{Height: l.next(), View: view}))
}

func spamEarly(l *Liar) {
	l.Did("early messages")
	height := max(l.next()+1, wild(l, l.next()))
	switch l.rng.IntN(4) {
	case 0:
		l.Say(l.Sign(ledger.KindPrevote, &ledger.Vote{Height: height, View: l.rng.Uint64(), Entry: l.nowhere()}))
	case 1:
		l.Say(l.Sign(consensus.KindReady, &consensus.Ready{Height: height, Entry: l.nowhere()}))
	case 2:
		l.Say(l.Sign(ledger.KindConsent, &ledger.Consent{Run: l.nowhere(), Accept: true, Serial: 1}))
	default:
		l.Say(l.Sign(ledger.KindStop, &ledger.Stop{Run: l.nowhere(), Reason: "spam"}))
	}
}

// spamUpdates offers what nobody has; never twice in one place, for which it would be named.
func spamUpdates(l *Liar) {
	for _, r := range l.Ledger().Runs() {
		if !r.Active() {
			continue
		}
		l.Did("updates that are not there")
		l.Say(l.Sign(ledger.KindUpdate, &ledger.Update{
			Run: r.ID, Round: r.Round, Opened: r.Opened, Attempt: 1000 + l.rng.Uint64N(1<<60), Base: r.Base,
			Manifest: l.nowhere(), Samples: 1 << 40, Metrics: map[string]float64{},
		}))
	}
}

func spamHeads(l *Liar) {
	l.Did("heads that lie")
	marks := func() consensus.Votes {
		v := consensus.Votes{View: wild(l, 1), Proposal: l.rng.Uint64N(256), Prevotes: make([]byte, l.rng.IntN(200)), Precommits: make([]byte, l.rng.IntN(200))}
		for i := range v.Prevotes {
			v.Prevotes[i] = byte(l.rng.Uint32())
		}
		return v
	}
	bits := bytes.Repeat([]byte{byte(l.rng.Uint32())}, l.rng.IntN(200))
	h := &round.Head{Height: wild(l, l.Ledger().Height()), Entry: l.nowhere(), Now: marks(), Past: []consensus.Votes{marks(), marks()}, Named: bits}
	if h.Height == l.Ledger().Height() {
		h.Entry = l.Ledger().Head()
	}
	for _, r := range l.Ledger().Runs() {
		if r.Active() {
			h.Runs = append(h.Runs, runs.RunHead{Run: r.ID})
		}
	}
	h.Runs = append(h.Runs, runs.RunHead{Run: l.nowhere(), Updates: bits, Consents: bits})
	others := l.Others()
	l.Send(round.Send{To: others[l.rng.IntN(len(others))], Message: &round.Message{Attempt: l.rng.Uint64(), Head: h}})
}

func spamEvidence(l *Liar) {
	l.Did("evidence that proves nothing")
	vote := func(view uint64) ledger.Signed {
		return *l.Sign(ledger.KindPrevote, &ledger.Vote{Height: l.next(), View: view})
	}
	e := &peerlog.Evidence{A: vote(math.MaxUint64), B: vote(math.MaxUint64)}
	if l.rng.IntN(2) == 0 {
		e.B = vote(math.MaxUint64 - 1)
	}
	l.Send(round.Send{Message: &round.Message{Attempt: l.rng.Uint64(), Evidence: e}})
}

func spamCertificates(l *Liar) {
	l.Did("certificates of nothing")
	h := l.Ledger().Height()
	if h == 0 {
		return
	}
	c := l.Ledger().At(1 + l.rng.Uint64N(h)).Certified()
	switch l.rng.IntN(3) {
	case 0:
		c.Certificate.Votes = nil
	case 1:
		c.Certificate.Height = wild(l, h)
	default:
		c.Entry = c.Entry[:len(c.Entry)/2]
	}
	others := l.Others()
	l.Send(round.Send{To: others[l.rng.IntN(len(others))], Message: &round.Message{Attempt: l.rng.Uint64(), Certified: []ledger.Certified{c}}})
}

func spamConsents(l *Liar) {
	for _, r := range l.Ledger().Runs() {
		l.Did("consents without end")
		l.Say(l.Sign(ledger.KindConsent, &ledger.Consent{Run: r.ID, Accept: l.rng.IntN(4) > 0, Serial: uint64(l.s.w.now)<<8 + l.rng.Uint64N(256)}))
	}
}

// spamProposals offers nonsense in views that are another's to propose, the same in each: two for one
// place would name it.
func spamProposals(l *Liar) {
	view := wild(l, 5)
	if l.Ledger().Roster().Proposer(l.Ledger().Head(), view) == l.Self() {
		return
	}
	l.Did("proposals out of place")
	e := &ledger.Entry{Mesh: l.Ledger().Mesh(), Height: l.next(), Parent: l.Ledger().Head(), Body: &ledger.Commit{Run: l.Ledger().Mesh(), Model: l.Ledger().Mesh(), Seal: l.Ledger().Mesh()}}
	l.Say(l.Sign(consensus.KindProposal, &consensus.Proposal{Height: l.next(), View: view, ValidView: -1, Entry: e.Block().Data}))
}
