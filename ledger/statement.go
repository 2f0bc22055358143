package ledger

import (
	"fmt"
	"maps"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// Kind is the kind of a signed statement.
type Kind string

// Body is what a statement says. Each kind's body stands in a file of its own, with its kind.
type Body interface {
	// Check holds the limits that need no ledger to judge.
	Check() error
}

// Exclusive is a body of which a correct site signs one for a place: a view, an attempt.
type Exclusive interface {
	Body
	// Excludes reports whether no correct site signs this body and the other, which is of the same kind.
	Excludes(other Body) bool
}

// AtHeight is a body that is about a height of the ledger: the one at which it is said, or the one at
// which the round that it is about was opened.
type AtHeight interface {
	Body
	At() uint64
}

// statementKinds makes an empty body for each kind.
var statementKinds = map[Kind]func() Body{}

// Register makes a kind of statement known, whose bodies are *T. Packages call it in the file that declares T.
func Register[T any, B interface {
	*T
	Body
}](kind Kind) struct{} {
	if statementKinds[kind] != nil {
		panic(fmt.Sprintf("kind %q is registered twice", kind))
	}
	statementKinds[kind] = func() Body { return B(new(T)) }
	return struct{}{}
}

// Kinds returns the kinds of statements that this program knows, in order.
func Kinds() []Kind { return slices.Sorted(maps.Keys(statementKinds)) }

// Signed is a statement with its author's signature over (domain, mesh, kind, body).
type Signed struct {
	From peer.ID `cbor:"from" json:"from"`
	Kind Kind    `cbor:"kind" json:"kind"`
	Body []byte  `cbor:"body" json:"body"` // DAG-CBOR of the kind's body
	Sig  []byte  `cbor:"sig" json:"sig"`   // Ed25519, RFC 8032

	opened Body // the decoded body, once read
}

// signingBytes are what a statement's signature covers.
func SigningBytes(mesh block.CID, kind Kind, body []byte) []byte {
	return appendSigningBytes(make([]byte, 0, 80+len(kind)+len(body)), mesh, kind, body)
}

func appendSigningBytes(b []byte, mesh block.CID, kind Kind, body []byte) []byte {
	b = mesh.AppendBytes(append(b, "weft/statement/1\x00"...))
	b = append(append(b, byte(len(kind))), kind...)
	return append(b, body...)
}

// Sign makes a statement of a site in a mesh; sign signs with that site's key.
func Sign(mesh block.CID, from peer.ID, kind Kind, body Body, sign func(data []byte) []byte) *Signed {
	data := block.Encode(body)
	return &Signed{From: from, Kind: kind, Body: data, Sig: sign(SigningBytes(mesh, kind, data)), opened: body}
}

// size is about how many bytes the statement takes in a message or an entry.
func (s *Signed) Size() int { return len(s.From) + len(s.Body) + len(s.Sig) + 64 }

// Open returns the statement's body, a pointer to the type that its kind is registered with.
// It checks form and limits, not the signature.
func (s *Signed) Open() (Body, error) {
	if s.opened != nil {
		return s.opened, nil
	}
	form := statementKinds[s.Kind]
	if form == nil {
		return nil, fmt.Errorf("statement: %w: kind %.20q", ErrMalformed, s.Kind)
	}
	body := form()
	if len(s.Sig) == 0 || len(s.Sig) > MaxSignature {
		return nil, fmt.Errorf("%s: %w: signature of %d bytes", s.Kind, ErrMalformed, len(s.Sig))
	}
	if err := block.Decode(s.Body, body); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", s.Kind, ErrMalformed, err)
	}
	if err := body.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", s.Kind, ErrMalformed, err)
	}
	s.opened = body
	return body, nil
}

// BodyOf returns the body as T; a statement of another kind is malformed.
func BodyOf[T any](s *Signed, kind Kind) (*T, error) {
	if s.Kind != kind {
		return nil, fmt.Errorf("%w: a %s statement, want %s", ErrMalformed, s.Kind, kind)
	}
	b, err := s.Open()
	if err != nil {
		return nil, err
	}
	return any(b).(*T), nil
}
