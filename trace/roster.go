package trace

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// ChangeAsked tells that a site is the first to approve of a change of the roster.
type ChangeAsked struct {
	Subject
	Change block.CID `json:"change"`
	Words  string    `json:"words"` // the change in words
}

// Support is how many sites approve of a change.
type Support struct {
	Change block.CID `json:"change"`
	Words  string    `json:"words"`
	Sites  int       `json:"sites"`
	Quorum int       `json:"quorum"`
}

func (s Support) text() string { return fmt.Sprintf("%s: %d of %d", s.Words, s.Sites, s.Quorum) }

// Approved tells that a site approves of a change.
type Approved struct {
	Subject
	Support Support `json:"support"`
}

// ApprovalWithdrawn tells that a site has taken its approval of a change back.
type ApprovalWithdrawn struct {
	Subject
	Support Support `json:"support"`
}

// ApprovalDropped tells that a site's approval is forgotten, as it approves of too many changes.
type ApprovalDropped struct {
	Subject
	Change block.CID `json:"change"`
	Words  string    `json:"words"`
}

// Joins tells that the key which a change adds wants to be a site.
type Joins struct {
	Subject
	Change block.CID `json:"change"`
	Name   string    `json:"name"` // of the site to be
}

// RosterChanged tells that another roster is in force.
type RosterChanged struct {
	Subject
	Entry  block.CID `json:"entry"`
	Words  string    `json:"words"`
	Sites  int       `json:"sites"`
	F      int       `json:"f"`
	Quorum int       `json:"quorum"`
}

// Admitted tells that an observer has become a site.
type Admitted struct{ Subject }

// Observes tells that a site has become an observer.
type Observes struct{ Subject }

func (ChangeAsked) Kind() Kind       { return "change asked" }
func (Approved) Kind() Kind          { return "approved" }
func (ApprovalWithdrawn) Kind() Kind { return "approval taken back" }
func (ApprovalDropped) Kind() Kind   { return "approval dropped" }
func (Joins) Kind() Kind             { return "joins" }
func (RosterChanged) Kind() Kind     { return "roster changed" }
func (Admitted) Kind() Kind          { return "takes part" }
func (Observes) Kind() Kind          { return "observes" }

func (e ChangeAsked) Text() string       { return e.Words }
func (e Approved) Text() string          { return e.Support.text() }
func (e ApprovalWithdrawn) Text() string { return e.Support.text() }
func (e ApprovalDropped) Text() string   { return e.Words }
func (e Joins) Text() string             { return e.Name }
func (e RosterChanged) Text() string {
	return fmt.Sprintf("%s: n=%d f=%d q=%d", e.Words, e.Sites, e.F, e.Quorum)
}
func (Observes) Text() string {
	return "removed from the roster: what this site trains no longer counts"
}

var (
	_ = register[ChangeAsked]()
	_ = register[Approved]()
	_ = register[ApprovalWithdrawn]()
	_ = register[ApprovalDropped]()
	_ = register[Joins]()
	_ = register[RosterChanged]()
	_ = register[Admitted]()
	_ = register[Observes]()
)
