package trace

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// What happens to sites in scenarios, beside their protocol.

// Trouble is a fault as events tell it.
type Trouble struct {
	Fault string        `json:"fault"`
	Sites []peer.ID     `json:"sites,omitempty"` // none: all
	For   time.Duration `json:"for,omitempty"`   // 0: until it is mended
	Words string        `json:"words,omitempty"`
}

// Fault tells that a fault begins.
type Fault struct {
	Subject
	Trouble Trouble `json:"trouble"`
}

// Mended tells that a fault is over.
type Mended struct {
	Subject
	Trouble Trouble `json:"trouble"`
}

// Up tells that a site has started.
type Up struct{ Subject }

// Down tells that a site has stopped.
type Down struct{ Subject }

// StaysDown tells that a site cannot start.
type StaysDown struct {
	Subject
	Why string `json:"why"`
}

// DiskLost tells that all that a site had stored is gone.
type DiskLost struct{ Subject }

// RolledBack tells that all that a site has stored is as it was at an earlier time.
type RolledBack struct{ Subject }

// Lies tells what a liar has done.
type Lies struct {
	Subject
	Deed string `json:"deed"`
}

// Dropped tells that a block did not arrive; its site is the one that sent it.
type Dropped struct {
	Subject
	Why string `json:"why"`
}

// Noted is a remark of the player.
type Noted struct {
	Subject
	Words string `json:"words"`
}

func (Fault) Kind() Kind      { return "fault" }
func (Mended) Kind() Kind     { return "mended" }
func (Up) Kind() Kind         { return "up" }
func (Down) Kind() Kind       { return "down" }
func (StaysDown) Kind() Kind  { return "stays down" }
func (DiskLost) Kind() Kind   { return "disk lost" }
func (RolledBack) Kind() Kind { return "rolled back" }
func (Lies) Kind() Kind       { return "lies" }
func (Dropped) Kind() Kind    { return "dropped" }
func (Noted) Kind() Kind      { return "note" }

func (e Fault) Text() string     { return e.Trouble.Words }
func (e Mended) Text() string    { return e.Trouble.Words }
func (e StaysDown) Text() string { return e.Why }
func (e Lies) Text() string      { return e.Deed }
func (e Dropped) Text() string   { return e.Why }
func (e Noted) Text() string     { return e.Words }

var (
	_ = register[Fault]()
	_ = register[Mended]()
	_ = register[Up]()
	_ = register[Down]()
	_ = register[StaysDown]()
	_ = register[DiskLost]()
	_ = register[RolledBack]()
	_ = register[Lies]()
	_ = register[Dropped]()
	_ = register[Noted]()
)
