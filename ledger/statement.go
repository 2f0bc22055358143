package ledger

import (
	"fmt"

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

// Exclusive is a body of which a correct site signs one for a place: a step of a view.
type Exclusive interface {
	Body
	// Excludes reports whether no correct site signs this body and the other, which is of the same kind and has other bytes.
	Excludes(other Body) bool
}

// AtHeight is a body that is about a height of the ledger: the one at which it is said, or the one at
// which the round that it is about was opened.
type AtHeight interface {
	Body
	At() uint64
}

// form is how the bodies of a kind are read.
type form struct {
	empty func() Body
	most  int  // bytes of a body, those of fields that this program does not know included
	exact bool // a body has no other fields
}

var statementKinds = map[Kind]form{}

// Register makes a kind of statement known, whose bodies are *T and have at most so many bytes. Packages call it in the file
// that declares T. A body may have fields that this program does not know: it is judged by those that it knows, kept and passed
// on with the bytes that were signed.
func Register[T any, B interface {
	*T
	Body
}](kind Kind, most int) struct{} {
	register(kind, form{func() Body { return B(new(T)) }, most, false})
	return struct{}{}
}

// RegisterExact is [Register] for bodies which are written anew to verify a signature of them. A statement with a field that
// this program does not know is then none that it knows: certificates that counted it would not verify.
func RegisterExact[T any, B interface {
	*T
	Body
}](kind Kind, most int) struct{} {
	register(kind, form{func() Body { return B(new(T)) }, most, true})
	return struct{}{}
}

func register(kind Kind, f form) {
	if _, twice := statementKinds[kind]; twice {
		panic(fmt.Sprintf("kind %q is registered twice", kind))
	}
	statementKinds[kind] = f
}

// Signed is a statement with its author's signature over (domain, mesh, kind, body).
type Signed struct {
	From peer.ID `cbor:"from" json:"from"`
	Kind Kind    `cbor:"kind" json:"kind"`
	Body []byte  `cbor:"body" json:"body"` // DAG-CBOR of the kind's body
	Sig  []byte  `cbor:"sig" json:"sig"`   // Ed25519, RFC 8032

	opened  Body     // the decoded body, once read
	unknown []string // fields of the body that this program does not know
}

// SigningBytes are what a statement's signature covers.
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

// Size is about how many bytes the statement takes in a message or an entry.
func (s *Signed) Size() int { return len(s.From) + len(s.Body) + len(s.Sig) + 64 }

// Open returns the statement's body, a pointer to the type that its kind is registered with.
// It checks form and limits, not the signature. A kind that this program does not know is ErrUnknown.
func (s *Signed) Open() (Body, error) {
	if s.opened != nil {
		return s.opened, nil
	}
	form, known := statementKinds[s.Kind]
	switch {
	case !ValidName(string(s.Kind)):
		return nil, fmt.Errorf("statement: %w: kind %.20q", ErrMalformed, s.Kind)
	case len(s.Sig) == 0 || len(s.Sig) > MaxSignature:
		return nil, fmt.Errorf("%s: %w: signature of %d bytes", s.Kind, ErrMalformed, len(s.Sig))
	case !known:
		return nil, fmt.Errorf("statement of kind %.20q: %w", s.Kind, ErrUnknown)
	case len(s.Body) > form.most:
		return nil, fmt.Errorf("%s: %w: %d bytes, at most %d", s.Kind, ErrMalformed, len(s.Body), form.most)
	}
	body := form.empty()
	unknown, err := block.DecodeKnown(s.Body, body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", s.Kind, ErrMalformed, err)
	}
	err = body.Check()
	switch {
	case len(unknown) > 0 && (form.exact || err != nil): // by what is unknown it may be well
		return nil, fmt.Errorf("%s with field %.20q: %w", s.Kind, unknown[0], ErrUnknown)
	case err != nil:
		return nil, fmt.Errorf("%s: %w: %w", s.Kind, ErrMalformed, err)
	}
	s.opened, s.unknown = body, unknown
	return body, nil
}

// Unknown returns the fields of the body that this program does not know.
func (s *Signed) Unknown() []string {
	if _, err := s.Open(); err != nil {
		return nil
	}
	return s.unknown
}

// ID returns the CID of the body as it was signed, by which others know what it says: encoded again, a body would lose the fields
// that this program does not know.
func (s *Signed) ID() block.CID { return block.Sum(block.DagCBOR, s.Body) }

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
