package scenarios

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/scenarios/sim"
	"github.com/weft-mesh/weft/trace"
)

// Driver is who played a scenario.
type Driver string

// The drivers.
const (
	Simulated Driver = "simulated" // machines in virtual time
	Real      Driver = "real"      // node processes
)

// Recording is what the playing of a scenario leaves, whoever played it.
type Recording struct {
	Scenario *Scenario     `json:"scenario"`
	Driver   Driver        `json:"driver"`
	Version  string        `json:"version,omitempty"` // of weft
	Seed     uint64        `json:"seed"`
	Took     time.Duration `json:"took_ns"` // in the scenario's time; of real processes the wall clock's
	Wall     time.Duration `json:"wall_ns"` // to play it
	Faults   []Fault       `json:"faults,omitempty"`
	Sites    []Record      `json:"sites"`
	Links    [][]int64     `json:"links"` // bytes that site i has sent site j
	Trace    []Line        `json:"trace"` // by time
	Curves   []Curve       `json:"curves,omitempty"`
	Broken   string        `json:"broken,omitempty"` // the promise of the protocol that did not hold
	Verdicts []Verdict     `json:"verdicts,omitempty"`
	Replay   string        `json:"replay,omitempty"` // the command that plays it again
}

// Record is what one site did.
type Record struct {
	Name      string      `json:"name"`
	ID        string      `json:"id"` // its peer ID
	Region    string      `json:"region,omitempty"`
	Adversary string      `json:"adversary,omitempty"`
	Up        bool        `json:"up"`              // at the end
	Out       bool        `json:"out,omitempty"`   // not in the roster at the end: it is held to nothing
	Rounds    uint64      `json:"rounds"`          // committed in its ledger
	Early     bool        `json:"early,omitempty"` // its run ended before its last round, as no better model was expected
	Models    []block.CID `json:"models"`          // of those rounds
	Named     []string    `json:"named,omitempty"` // whom it has proven to lie
	Sent      Traffic     `json:"sent"`
	Received  Traffic     `json:"received"`
	Signed    int64       `json:"signed,omitempty"`   // signatures made
	Verified  int64       `json:"verified,omitempty"` // signatures checked

	Deeds map[string]int `json:"deeds,omitempty"` // of an adversary: what it did, and how often
}

// Traffic is messages and bytes.
type Traffic struct {
	Messages     int64 `json:"messages"`
	MessageBytes int64 `json:"message_bytes"`
	BlockBytes   int64 `json:"block_bytes"` // of artifacts
}

// Bytes returns all bytes.
func (t Traffic) Bytes() int64 { return t.MessageBytes + t.BlockBytes }

// Line is a line of a trace.
type Line struct {
	At   time.Duration // from the start
	Site int           // an index of Recording.Sites, or -1 for the world's own lines ("fault", "mended"); the event's subject is the site that it is about
	trace.Event
}

// lineHead is what a line says before its event.
type lineHead struct {
	At   time.Duration `json:"at"`
	Site int           `json:"site"`
}

// MarshalJSON writes the line as one object.
func (l Line) MarshalJSON() ([]byte, error) { return trace.Marshal(lineHead{l.At, l.Site}, l.Event) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (l *Line) UnmarshalJSON(b []byte) error {
	var head lineHead
	if err := json.Unmarshal(b, &head); err != nil {
		return err
	}
	e, err := trace.Unmarshal(b)
	*l = Line{head.At, head.Site, e}
	return err
}

// Fault is a fault as it happened.
type Fault struct {
	Kind  string        `json:"kind"`
	Sites []int         `json:"sites,omitempty"` // none: all
	From  time.Duration `json:"from"`
	To    time.Duration `json:"to,omitempty"` // 0: not mended
	Text  string        `json:"text,omitempty"`
}

// FaultOf returns the fault that has begun at a time; ids are those of the sites, by index.
func FaultOf(at time.Duration, t trace.Trouble, ids []peer.ID) Fault {
	f := Fault{Kind: t.Fault, From: at, Text: t.Words}
	if t.For > 0 {
		f.To = at + t.For
	}
	for _, id := range t.Sites {
		if i := slices.Index(ids, id); i >= 0 {
			f.Sites = append(f.Sites, i)
		}
	}
	return f
}

// Moment reports whether it is a change of the roster, which is asked for and no more.
func (f Fault) Moment() bool { return slices.Contains(sim.RosterKinds, sim.FaultKind(f.Kind)) }

// Curve is how the loss of one line of models went, round by round. Losses are in nats per byte.
type Curve struct {
	Name   CurveName `json:"name"`
	Site   string    `json:"site,omitempty"` // whose; empty: everybody's
	Points []Point   `json:"points"`
}

// CurveName says of which models a curve is.
type CurveName string

// The curves.
const (
	Federated CurveName = "federated" // the mesh's models, on each site's own text and on all
	Alone     CurveName = "alone"     // what a site gets without the others, in as many steps
	Pooled    CurveName = "pooled"    // one trainer on all sites' text, which nobody could have
)

// Point is a model's loss after a round; 0 is before the first.
type Point struct {
	Round uint64  `json:"round"`
	Own   float64 `json:"own,omitempty"` // on held-out text with the site's mix of kinds
	All   float64 `json:"all"`           // the mean over all kinds of text

	Accuracy float64 `json:"accuracy,omitempty"` // part of all that text's bytes that the model held for the likeliest
}

// Verdict says whether an expectation held.
type Verdict struct {
	Expected string `json:"expected"`
	Got      string `json:"got"`
	Held     bool   `json:"held"`
}

// Held reports whether all expectations held.
func (r *Recording) Held() bool {
	for _, v := range r.Verdicts {
		if !v.Held {
			return false
		}
	}
	return r.Broken == ""
}

// Curve returns a curve by its name and site, or nil.
func (r *Recording) Curve(name CurveName, site string) *Curve {
	for i := range r.Curves {
		if c := &r.Curves[i]; c.Name == name && c.Site == site {
			return c
		}
	}
	return nil
}

// RoundEnds returns when each round was committed: at the first site that had the commit.
func (r *Recording) RoundEnds() (ends []time.Duration) {
	seen := map[uint64]bool{}
	for _, l := range r.Trace {
		if d, ok := l.Event.(trace.Decided); ok && d.Decision.Kind == "commit" && !seen[d.Height] {
			seen[d.Height] = true
			ends = append(ends, l.At)
		}
	}
	return ends
}
