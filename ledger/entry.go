package ledger

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"github.com/weft-mesh/weft/block"
)

// Entry is one decision of the mesh. It names no proposer and no time: sites that mean the same
// decision form the same bytes, a map of mesh, height, parent and, under its kind, the body.
type Entry struct {
	Mesh   block.CID
	Height uint64    // position, from 1
	Parent block.CID // the entry before; the genesis at height 1
	Body   Decision

	block block.Block
}

// Decision is what an entry decides. Each kind stands in a file of its own, with what makes it valid
// and what follows from it.
type Decision interface {
	Kind() string     // in the glossary's words; the body's name in the entry
	About() block.CID // the run that the entry is about; undefined if it is about none
	String() string   // for transcripts and the terminal

	// check says whether the decision may follow the ledger's head; what all entries have in common has been checked.
	check(l *Ledger, e *Entry) error
	// apply makes the decision's consequences; it has been checked.
	apply(l *Ledger, e *Entry)
}

// entryKinds makes an empty body for each kind.
var entryKinds = map[string]func() Decision{}

func registerEntry[T any, B interface {
	*T
	Decision
}]() struct{} {
	entryKinds[B(new(T)).Kind()] = func() Decision { return B(new(T)) }
	return struct{}{}
}

// As returns what an entry decides if it is of kind T, else nil.
func As[T any, B interface {
	*T
	Decision
}](e *Entry) B {
	b, _ := e.Body.(B)
	return b
}

// DecodeEntry reads an entry and checks its form. An entry of an unknown kind, or with an unknown field of its own, has the
// height, the parent and the CID that its certificate is about, and nothing more: [Ledger.Check] does not judge it.
func DecodeEntry(data []byte) (*Entry, error) {
	if len(data) > MaxEntry {
		return nil, fmt.Errorf("entry: %w: %d bytes, at most %d", ErrMalformed, len(data), MaxEntry)
	}
	var e Entry
	if err := e.decode(data); err != nil {
		return nil, fmt.Errorf("entry: %w: %w", ErrMalformed, err)
	}
	e.block = block.New(block.DagCBOR, data)
	return &e, nil
}

// MarshalCBOR implements cbor.Marshaler.
func (e *Entry) MarshalCBOR() ([]byte, error) {
	m := map[string]any{"mesh": e.Mesh, "height": e.Height, "parent": e.Parent}
	if e.Body != nil {
		m[e.Body.Kind()] = e.Body
	}
	return block.Encode(m), nil
}

func (e *Entry) decode(data []byte) error {
	var m map[string]cbor.RawMessage
	if err := block.Decode(data, &m); err != nil {
		return err
	}
	fields := map[string]any{"mesh": &e.Mesh, "height": &e.Height, "parent": &e.Parent}
	for name, to := range fields {
		if err := block.Decode(m[name], to); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		delete(m, name)
	}
	return e.decodeBody(m)
}

// decodeBody reads what an entry has beside the fields that all have.
func (e *Entry) decodeBody(m map[string]cbor.RawMessage) error {
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		form := entryKinds[name]
		if form == nil {
			if err := block.Canonical(m[name]); err != nil {
				return fmt.Errorf("%.20q: %w", name, err)
			}
			unknown = append(unknown, name)
			continue
		}
		if e.Body != nil {
			return fmt.Errorf("%s beside the body", name)
		}
		e.Body = form()
		inner, err := block.DecodeKnown(m[name], e.Body)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, field := range inner {
			unknown = append(unknown, name+"."+field)
		}
	}
	switch {
	case len(unknown) == 0 && e.Body == nil:
		return fmt.Errorf("no body")
	case len(unknown) > 0 && e.Body == nil:
		e.Body = &newer{unknown[0], unknown}
	case len(unknown) > 0:
		e.Body = &newer{e.Body.Kind(), unknown}
	}
	return nil
}

// MarshalJSON implements json.Marshaler: as the DAG-CBOR, for people and programs that read it.
func (e *Entry) MarshalJSON() ([]byte, error) {
	head, err := json.Marshal(struct {
		Mesh   block.CID `json:"mesh"`
		Height uint64    `json:"height"`
		Parent block.CID `json:"parent"`
	}{e.Mesh, e.Height, e.Parent})
	if err != nil || e.Body == nil {
		return head, err
	}
	body, err := json.Marshal(map[string]Decision{e.Body.Kind(): e.Body})
	if err != nil {
		return nil, err
	}
	return append(append(head[:len(head)-1], ','), body[1:]...), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (e *Entry) UnmarshalJSON(data []byte) error {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	fields := map[string]any{"mesh": &e.Mesh, "height": &e.Height, "parent": &e.Parent}
	for name, raw := range m {
		to := fields[name]
		if form := entryKinds[name]; form != nil {
			e.Body = form()
			to = e.Body
		}
		if to == nil {
			continue
		}
		if err := json.Unmarshal(raw, to); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// Block returns the entry's bytes and CID.
func (e *Entry) Block() block.Block {
	if !e.block.CID.Defined() {
		e.block = block.Of(e)
	}
	return e.block
}

// Data returns the entry's bytes.
func (e *Entry) Data() []byte { return e.Block().Data }

// CID returns the entry's CID.
func (e *Entry) CID() block.CID { return e.Block().CID }

// Kind returns the entry's kind in the glossary's words.
func (e *Entry) Kind() string { return e.Body.Kind() }

// Run returns the CID of the run that the entry is about; undefined for one that is about no run.
func (e *Entry) Run() block.CID { return e.Body.About() }

// String says what the entry decides, for transcripts and the terminal.
func (e *Entry) String() string { return e.Body.String() }
