// Package trace is what a site's protocol tells of its steps: to logs, tests, the terminal and pages.
//
// The kinds of events are a closed set. Each is a type of its own with typed fields; all embed a
// [Subject], which says what the event is about. Events are written as one JSON object a line, with
// their kind's word under "event" and, for people, their text under "text".
package trace

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// Event is one step of a site's protocol.
type Event interface {
	Kind() Kind
	About() Subject
	Text() string // the details in words; empty if there are none beyond the subject
}

// Kind is the word for a kind of events.
type Kind string

// Subject is what an event is about; fields that do not apply are zero.
type Subject struct {
	Site   peer.ID   `json:"about,omitempty"` // not the site that tells the event, unless it is about itself
	Run    block.CID `json:"run,omitzero"`
	Round  uint64    `json:"round,omitempty"`
	Height uint64    `json:"height,omitempty"`
}

// About returns the subject.
func (s Subject) About() Subject { return s }

// Text returns no details; events that have some say them.
func (s Subject) Text() string { return "" }

// In returns the subject of a round of a run.
func In(run block.CID, round uint64) Subject { return Subject{Run: run, Round: round} }

// At returns the subject of a height.
func At(height uint64) Subject { return Subject{Height: height} }

// Of returns the subject of a site.
func Of(site peer.ID) Subject { return Subject{Site: site} }

// Of returns the subject with a site.
func (s Subject) Of(site peer.ID) Subject {
	s.Site = site
	return s
}

// At returns the subject with a height.
func (s Subject) At(height uint64) Subject {
	s.Height = height
	return s
}

// kinds reads the JSON of each kind.
var kinds = map[Kind]func(data []byte) (Event, error){}

func register[T Event]() struct{} {
	var zero T
	if kinds[zero.Kind()] != nil {
		panic(fmt.Sprintf("event %q is registered twice", zero.Kind()))
	}
	kinds[zero.Kind()] = func(data []byte) (Event, error) {
		var e T
		err := json.Unmarshal(data, &e)
		return e, err
	}
	return struct{}{}
}

// Kinds returns all kinds of events, in order.
func Kinds() []Kind { return slices.Sorted(maps.Keys(kinds)) }

// Marshal writes an event as one JSON object, after the fields of head: who tells it, and when.
func Marshal(head any, e Event) ([]byte, error) {
	kind := struct {
		Event Kind   `json:"event"`
		Text  string `json:"text,omitempty"`
	}{e.Kind(), e.Text()}
	parts := []any{head, kind, e}
	if o, ok := e.(Other); ok {
		parts[2] = o.Subject
	}
	out := []byte{'{'}
	for _, part := range parts {
		object, err := json.Marshal(part)
		if err != nil {
			return nil, err
		}
		if fields := object[1 : len(object)-1]; len(fields) > 0 {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(out, fields...)
		}
	}
	return append(out, '}'), nil
}

// Unmarshal reads what Marshal wrote. Fields that it does not know are skipped; a kind that it does not know gives an [Other], as
// does one whose fields are not those that say its text.
func Unmarshal(data []byte) (Event, error) {
	var other Other
	if err := json.Unmarshal(data, &other); err != nil {
		return nil, err
	}
	if other.Word == "" {
		return nil, errors.New("no event: it has no kind")
	}
	read := kinds[other.Word]
	if read == nil {
		return other, nil
	}
	e, err := read(data)
	if err != nil || e.Text() != other.Words {
		return other, nil // another version's, with other fields, or shortened
	}
	return e, nil
}

// Other is an event of which this program knows the kind, the subject and the text alone: another version wrote it, or it was
// too long.
type Other struct {
	Subject
	Word  Kind   `json:"event"`
	Words string `json:"text,omitempty"`
}

// Kind returns the word that the other version has for it.
func (e Other) Kind() Kind { return e.Word }

// Text returns what it says.
func (e Other) Text() string { return e.Words }

// Shortened is what remains of an event that is too long to be kept: its kind, its subject and the beginning of its text.
func Shortened(e Event) Event {
	return Other{Subject: e.About(), Word: e.Kind(), Words: fmt.Sprintf("%.4096s", e.Text())}
}
