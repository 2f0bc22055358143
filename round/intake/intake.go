// Package intake judges messages before the machine gets them, on the goroutines of whoever brings them: what is passed on, what
// is for this site alone, what is too much, and who is to blame. The node asks it, and so does the simulator.
//
// # Who is blamed, and who is rationed
//
// A message comes from a neighbour, who need not be its author, and may be honest though the author lies. So a neighbour is blamed
// for two things only: for what is never passed on (heads and certified entries are the neighbour's own words), and for what shows
// by its bytes alone that no correct site can have accepted it. All else that is wrong with a message the machine finds out, and
// blames nobody: else one liar could make the honest ban each other.
//
// What is right, and too much, is charged to its author, by kind. It is ignored then, not passed on, and nobody is blamed. An author
// is charged for what it says anew, and for nothing that others can say again in its name: a statement that was here already is let
// through now and then, whoever brings it, and one about what is over is charged to who brings it.
package intake

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

// Verdict is what becomes of a message.
type Verdict int

const (
	Drop   Verdict = iota // it is passed over
	Keep                  // the machine gets it, nobody else
	Relay                 // the machine gets it, and so do others
	Strike                // it is passed over, and whoever sent it is blamed
)

// String returns the verdict's name.
func (v Verdict) String() string { return [...]string{"drop", "keep", "relay", "strike"}[v] }

// Looks is the first protocol number whose programs look at what evidence and proposals bring along before they pass them on. One
// that knows an older number only passes it on unseen, and is not blamed for it.
const Looks = 4

// Standing is what a message is judged by.
type Standing interface {
	Height() uint64                    // newest decided
	Roster() *ledger.Roster            // in force
	Member(id peer.ID) bool            // is or was its key a site's?
	Knows(id peer.ID) uint64           // newest protocol number that a peer says it knows
	Over(run block.CID, r uint64) bool // can nothing that is said of the run's round r count any more? 0: of the run
}

// Intake judges the messages of one site. Its methods may be called concurrently.
type Intake struct {
	mesh   block.CID
	verify ledger.Verifier

	mu      sync.Mutex
	rations rations
	heard   heard
	heads   map[peer.ID]uint64 // the highest that each neighbour has shown
}

// New returns the intake of a site.
func New(mesh block.CID, verify ledger.Verifier) *Intake {
	return &Intake{mesh: mesh, verify: verify, rations: rations{}, heard: newHeard(), heads: map[peer.ID]uint64{}}
}

// Judge says what becomes of a message of so many bytes that a neighbour has brought, and why, if it is blamed.
func (i *Intake) Judge(now time.Time, from peer.ID, m *round.Message, bytes int, at Standing) (Verdict, error) {
	switch {
	case m.Head != nil:
		return i.head(now, from, m.Head, at)
	case len(m.Certified) > 0:
		return i.certified(now, from, m.Certified, bytes, at)
	case m.Said != nil:
		i.mu.Lock()
		defer i.mu.Unlock()
		return i.spoken(now, from, recalled, "answers to a restart")
	}
	c := claimOf(from, m, at)
	if i.spent(now, c) {
		return Drop, nil
	}
	err := m.Verify(i.mesh, at.Roster(), i.verify)
	stranger := errors.Is(err, ledger.ErrStranger)
	switch {
	case errors.Is(err, ledger.ErrUnknown):
		return Drop, nil // it may be well; nobody is blamed for what this program does not know
	case err != nil && !stranger:
		return Strike, err
	}
	if err := i.look(m, at); err != nil {
		if at.Knows(from) < Looks {
			return Drop, nil
		}
		return Strike, err
	}
	return i.charge(now, c, bytes, stranger), nil
}

// claim is what a statement, or evidence, says it is, before its signatures are checked.
type claim struct {
	said   *ledger.Signed // nil: evidence
	author peer.ID        // who is charged for it
	of     sort
	past   bool // it is about what is over or decided: it may be answered, and says nothing to others
}

func claimOf(from peer.ID, m *round.Message, at Standing) claim {
	c := claim{said: m.Statement}
	if m.Evidence != nil {
		c.author, c.of = m.Evidence.A.From, proof // nobody else can have made it
	} else if body, err := m.Statement.Open(); err == nil { // it was opened when it was decoded
		c.author, c.of, c.past = m.Statement.From, sort(m.Statement.Kind), isOver(body, at) || isLate(body, at.Height())
	}
	if c.past || !at.Roster().Has(c.author) {
		c.author, c.of = from, brought
	}
	return c
}

// spent reports whether nothing more is taken of who would be charged for something, or it was here a moment ago: then its
// signature need not be checked.
func (i *Intake) spent(now time.Time, c claim) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if again, soon := i.heard.again(now, c.said); again {
		return soon
	}
	return i.rations.empty(now, c.author, c.of)
}

// charge takes what is right from the ration of its author.
func (i *Intake) charge(now time.Time, c claim, bytes int, stranger bool) Verdict {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch again, soon := i.heard.again(now, c.said); {
	case soon:
		return Drop
	case !again && !i.rations.take(now, c.author, c.of, bytes):
		return Drop
	}
	i.heard.note(now, c.said)
	if stranger || c.past {
		return Keep
	}
	return Relay
}

// look checks what evidence and proposals bring along.
func (i *Intake) look(m *round.Message, at Standing) error {
	if m.Evidence != nil {
		if !m.Evidence.Proves() {
			return fmt.Errorf("evidence: %w: the two statements can both be honest", ledger.ErrMalformed)
		}
		return nil
	}
	if m.Statement.Kind != consensus.KindProposal {
		return nil
	}
	p, err := ledger.BodyOf[consensus.Proposal](m.Statement, consensus.KindProposal)
	if err != nil {
		return err
	}
	err = p.Sound(i.mesh, at.Member, i.verify)
	if errors.Is(err, ledger.ErrUnknown) {
		return nil
	}
	return err
}

// isLate reports whether a statement is of a height that has been decided here.
func isLate(body ledger.Body, decided uint64) bool {
	switch b := body.(type) {
	case *consensus.Ready:
		return b.Height <= decided
	case *consensus.Proposal:
		return b.Height <= decided
	case *ledger.Vote:
		return b.Height <= decided
	}
	return false
}

// isOver reports whether what a statement is about is over here: anybody who was there can say it again.
func isOver(body ledger.Body, at Standing) bool {
	switch b := body.(type) {
	case *ledger.Update:
		return at.Over(b.Run, b.Round)
	case *ledger.Skip:
		return at.Over(b.Run, b.Round)
	case *ledger.Change:
		return b.Version < at.Roster().Version()
	case *ledger.Withdraw:
		return b.Version < at.Roster().Version()
	case interface{ OfRun() block.CID }:
		return at.Over(b.OfRun(), 0)
	}
	return false
}
