package ledger

import (
	"fmt"
	"math"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// Kind is the kind of a signed statement.
type Kind string

const (
	KindOpen      Kind = "open"      // body RunSpec: the author asks for a run
	KindStop      Kind = "stop"      // body Stop: the author asks for a run's end
	KindConsent   Kind = "consent"   // body Consent: the author takes part in a run or declines
	KindUpdate    Kind = "update"    // body Update: the author's offer in a round
	KindApprove   Kind = "approve"   // body Change: the author approves of a change of the roster
	KindWithdraw  Kind = "withdraw"  // body Withdraw: the author takes its approval back, or gives it again
	KindJoin      Kind = "join"      // body Join: the author, whom a change adds, wants to be a site
	KindReady     Kind = "ready"     // body Ready: the author has all that an entry needs
	KindProposal  Kind = "proposal"  // body Proposal
	KindPrevote   Kind = "prevote"   // body Vote
	KindPrecommit Kind = "precommit" // body Vote
)

// Signed is a statement with its author's signature over (domain, mesh, kind, body).
type Signed struct {
	From peer.ID `cbor:"from" json:"from"`
	Kind Kind    `cbor:"kind" json:"kind"`
	Body []byte  `cbor:"body" json:"body"` // DAG-CBOR of the kind's body
	Sig  []byte  `cbor:"sig" json:"sig"`   // Ed25519, RFC 8032

	opened any // the decoded body, once read
}

// Stop asks for the end of a run.
type Stop struct {
	Run    block.CID `cbor:"run" json:"run"`
	Reason string    `cbor:"reason" json:"reason"`
}

// Consent says whether the author takes part in a run. A higher serial replaces a lower.
type Consent struct {
	Run    block.CID `cbor:"run" json:"run"`
	Accept bool      `cbor:"accept" json:"accept"`
	Serial uint64    `cbor:"serial" json:"serial"`
}

// Update is a site's offer in a round.
type Update struct {
	Run      block.CID          `cbor:"run" json:"run"`
	Round    uint64             `cbor:"round" json:"round"`
	Opened   uint64             `cbor:"opened" json:"opened"`   // height of the entry that opened the round
	Attempt  uint64             `cbor:"attempt" json:"attempt"` // from 1; the highest counts until sealed
	Base     block.CID          `cbor:"base" json:"base"`       // the model it was trained from
	Manifest block.CID          `cbor:"manifest" json:"manifest"`
	Samples  uint64             `cbor:"samples" json:"samples"`
	Metrics  map[string]float64 `cbor:"metrics" json:"metrics"`
}

// Ready says that the author has all that voting for an entry needs.
type Ready struct {
	Height uint64    `cbor:"height" json:"height"`
	Entry  block.CID `cbor:"entry" json:"entry"`
	Data   []byte    `cbor:"data,omitempty" json:"data,omitempty"` // the entry, from those who formed it
}

// Proposal offers an entry in a view.
type Proposal struct {
	Height    uint64   `cbor:"height" json:"height"`
	View      uint64   `cbor:"view" json:"view"`
	ValidView int64    `cbor:"valid_view" json:"valid_view"` // the view in which a quorum prevoted it, or -1
	Entry     []byte   `cbor:"entry" json:"entry"`
	Polka     []Signed `cbor:"polka" json:"polka"` // those prevotes, so that nobody must have seen them
}

// Vote is a prevote or a precommit, by its statement's kind; an undefined entry is a vote for nil.
type Vote struct {
	Height uint64    `cbor:"height" json:"height"`
	View   uint64    `cbor:"view" json:"view"`
	Entry  block.CID `cbor:"entry" json:"entry"`
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
func Sign(mesh block.CID, from peer.ID, kind Kind, body any, sign func(data []byte) []byte) *Signed {
	data := block.Encode(body)
	return &Signed{From: from, Kind: kind, Body: data, Sig: sign(SigningBytes(mesh, kind, data)), opened: body}
}

// size is about how many bytes the statement takes in a message or an entry.
func (s *Signed) Size() int { return len(s.From) + len(s.Body) + len(s.Sig) + 64 }

// Open returns the statement's body: *RunSpec, *Stop, *Consent, *Update, *Change, *Withdraw, *Join,
// *Ready, *Proposal or *Vote.
// It checks form and limits, not the signature.
func (s *Signed) Open() (any, error) {
	if s.opened != nil {
		return s.opened, nil
	}
	var body any
	switch s.Kind {
	case KindOpen:
		body = &RunSpec{}
	case KindStop:
		body = &Stop{}
	case KindConsent:
		body = &Consent{}
	case KindUpdate:
		body = &Update{}
	case KindApprove:
		body = &Change{}
	case KindWithdraw:
		body = &Withdraw{}
	case KindJoin:
		body = &Join{}
	case KindReady:
		body = &Ready{}
	case KindProposal:
		body = &Proposal{}
	case KindPrevote, KindPrecommit:
		body = &Vote{}
	default:
		return nil, fmt.Errorf("statement: %w: kind %.20q", ErrMalformed, s.Kind)
	}
	if len(s.Sig) == 0 || len(s.Sig) > MaxSignature {
		return nil, fmt.Errorf("%s: %w: signature of %d bytes", s.Kind, ErrMalformed, len(s.Sig))
	}
	if err := block.Decode(s.Body, body); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", s.Kind, ErrMalformed, err)
	}
	if err := checkBody(body); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", s.Kind, ErrMalformed, err)
	}
	s.opened = body
	return body, nil
}

// checkBody holds the limits of a body that need no ledger to judge.
func checkBody(body any) error {
	switch b := body.(type) {
	case *Stop:
		if len(b.Reason) > maxReason {
			return fmt.Errorf("reason of %d bytes, at most %d", len(b.Reason), maxReason)
		}
	case *Update:
		return b.Check()
	case *Change:
		return b.check()
	case *Withdraw:
		if !b.Change.Defined() || b.Serial == 0 {
			return fmt.Errorf("change missing, or serial 0")
		}
	case *Join:
		if !b.Change.Defined() || !b.Entry.Defined() {
			return fmt.Errorf("change or entry missing")
		}
	case *Ready:
		if len(b.Data) > MaxEntry || b.Height == 0 || !b.Entry.Defined() {
			return fmt.Errorf("entry missing or over %d bytes", MaxEntry)
		}
	case *Proposal:
		if len(b.Entry) > MaxEntry || b.Height == 0 || len(b.Polka) > MaxSites || b.ValidView < -1 || b.ValidView >= 0 && uint64(b.ValidView) >= b.View {
			return fmt.Errorf("valid view %d in view %d, %d prevotes", b.ValidView, b.View, len(b.Polka))
		}
	case *Vote:
		if b.Height == 0 {
			return fmt.Errorf("height 0")
		}
	}
	return nil
}

func (u *Update) Check() error {
	switch {
	case u.Round == 0 || u.Opened == 0 || u.Attempt == 0:
		return fmt.Errorf("round, opened and attempt count from 1")
	case u.Samples == 0 || u.Samples > MaxSamples:
		return fmt.Errorf("%d samples, want 1 to %d", u.Samples, uint64(MaxSamples))
	case u.Manifest.Codec() != block.DagCBOR || u.Base.Codec() != block.DagCBOR:
		return fmt.Errorf("base and manifest must be CIDs of manifests")
	case len(u.Metrics) > MaxMetrics:
		return fmt.Errorf("%d metrics, at most %d", len(u.Metrics), MaxMetrics)
	}
	for name, v := range u.Metrics {
		if !ValidName(name) || math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("metric %.40q = %v: want a short name and a finite number", name, v)
		}
	}
	return nil
}

// open returns the body as T; a statement of another kind is malformed.
func Body[T any](s *Signed, kind Kind) (*T, error) {
	if s.Kind != kind {
		return nil, fmt.Errorf("%w: a %s statement, want %s", ErrMalformed, s.Kind, kind)
	}
	b, err := s.Open()
	if err != nil {
		return nil, err
	}
	return b.(*T), nil
}

// Update returns the body of an update statement that is already part of a decided entry.
func (s *Signed) Update() *Update {
	u, err := Body[Update](s, KindUpdate)
	if err != nil {
		panic(err) // decided entries were checked
	}
	return u
}
