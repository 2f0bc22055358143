package trace

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// Decision is an entry as events tell it.
type Decision struct {
	Entry    block.CID `json:"entry,omitzero"`
	Kind     string    `json:"kind,omitempty"`     // of the entry: open, seal, commit, ...
	Round    uint64    `json:"round,omitempty"`    // that it is about
	Number   uint64    `json:"number,omitempty"`   // of a seal: seals of the opening before it
	Updates  int       `json:"updates,omitempty"`  // of a seal
	Heaviest peer.ID   `json:"heaviest,omitempty"` // of a seal: whose update has the largest part of the weight
	Share    float64   `json:"share,omitempty"`    // that part
	Words    string    `json:"words,omitempty"`    // the entry in words
}

// HeightOpened tells that there is something to decide at a height.
type HeightOpened struct{ Subject }

// ViewBegun tells that a site is in another view.
type ViewBegun struct {
	Subject
	View uint64 `json:"view,omitempty"`
}

// Ready tells that a site holds all that an entry needs and agrees with it.
type Ready struct {
	Subject
	Decision Decision `json:"decision"`
}

// Proposed tells that a site proposes an entry.
type Proposed struct {
	Subject
	View     uint64   `json:"view,omitempty"`
	Decision Decision `json:"decision"`
}

// Prevoted tells that a site prevotes an entry, or nil.
type Prevoted struct {
	Subject
	View  uint64    `json:"view,omitempty"`
	Entry block.CID `json:"entry,omitzero"`
}

// Precommitted tells that a site precommits an entry, or nil.
type Precommitted struct {
	Subject
	View  uint64    `json:"view,omitempty"`
	Entry block.CID `json:"entry,omitzero"`
}

// Decided tells that an entry is part of the ledger.
type Decided struct {
	Subject
	View     uint64   `json:"view,omitempty"` // of its certificate
	Decision Decision `json:"decision"`
}

// Forked tells that another entry is certified than the one that this site has.
type Forked struct {
	Subject
	Entry block.CID `json:"entry,omitzero"`
	Why   string    `json:"why"`
}

// Equivocated tells that a site is proven to have signed two statements for one place.
type Equivocated struct {
	Subject
	Statement string `json:"statement"` // their kind
}

// FallsSilent tells that a site has been shown a vote of its own that its log does not have: it votes no more for a while.
type FallsSilent struct {
	Subject
	Late bool `json:"late,omitempty"` // when it had asked all: another machine votes with its key, or only a site that was away knew
}

// VotesAgain tells that the silence of a site that lost its log, or a part of it, is over.
type VotesAgain struct{ Subject }

// Recalled tells that a site has been shown a statement of its own that its log does not have, and stands by it.
type Recalled struct {
	Subject
	Statement string `json:"statement"` // its kind
}

// Rejected tells that a message was refused; its site is the one that sent it.
type Rejected struct {
	Subject
	Why string `json:"why"`
}

func (HeightOpened) Kind() Kind { return "open height" }
func (ViewBegun) Kind() Kind    { return "view" }
func (Ready) Kind() Kind        { return "ready" }
func (Proposed) Kind() Kind     { return "propose" }
func (Prevoted) Kind() Kind     { return "prevote" }
func (Precommitted) Kind() Kind { return "precommit" }
func (Decided) Kind() Kind      { return "decide" }
func (Forked) Kind() Kind       { return "fork" }
func (Equivocated) Kind() Kind  { return "equivocation" }
func (FallsSilent) Kind() Kind  { return "falls silent" }
func (Recalled) Kind() Kind     { return "recalled" }
func (VotesAgain) Kind() Kind   { return "votes again" }
func (Rejected) Kind() Kind     { return "rejected" }

func (e Ready) Text() string       { return e.Decision.Words }
func (e Proposed) Text() string    { return e.Decision.Words }
func (e Decided) Text() string     { return e.Decision.Words }
func (e Forked) Text() string      { return e.Why }
func (e Equivocated) Text() string { return "two signed statements for one place" }
func (e Recalled) Text() string    { return "a statement of its own that its log does not have" }
func (e Rejected) Text() string    { return e.Why }

var (
	_ = register[HeightOpened]()
	_ = register[ViewBegun]()
	_ = register[Ready]()
	_ = register[Proposed]()
	_ = register[Prevoted]()
	_ = register[Precommitted]()
	_ = register[Decided]()
	_ = register[Forked]()
	_ = register[Equivocated]()
	_ = register[FallsSilent]()
	_ = register[Recalled]()
	_ = register[VotesAgain]()
	_ = register[Rejected]()
)
