package ledger

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// The kinds of [Vote].
const (
	KindPrevote   Kind = "prevote"
	KindPrecommit Kind = "precommit"
)

var (
	_ = Register[Vote](KindPrevote, maxVote)
	_ = RegisterExact[Vote](KindPrecommit, maxVote) // a certificate has its signature alone
)

// Vote is a prevote or a precommit, by its statement's kind; an undefined entry is a vote for nil.
type Vote struct {
	Height uint64    `cbor:"height" json:"height"`
	View   uint64    `cbor:"view" json:"view"`
	Entry  block.CID `cbor:"entry" json:"entry"`
}

// Check implements [Body].
func (v *Vote) Check() error {
	if v.Height == 0 {
		return fmt.Errorf("height 0")
	}
	return nil
}

// Excludes implements [Exclusive]: a site votes once in each step of a view.
func (v *Vote) Excludes(other Body) bool {
	o := other.(*Vote)
	return v.Height == o.Height && v.View == o.View && v.Entry != o.Entry
}

// At implements [AtHeight].
func (v *Vote) At() uint64 { return v.Height }
