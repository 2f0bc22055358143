package api

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// Roster is the sites of the mesh and the changes that are asked for.
type Roster struct {
	Version uint64         `json:"version"` // changes so far
	From    uint64         `json:"from"`    // height from which it is in force
	Quorum  int            `json:"quorum"`
	Sites   []RosterSite   `json:"sites"`
	Former  []RosterSite   `json:"former"` // keys that were a site's
	Changes []RosterChange `json:"changes"`
}

// RosterSite is a site of the roster.
type RosterSite struct {
	Name string  `json:"name"`
	ID   peer.ID `json:"id"`
	Up   bool    `json:"up"` // connected, or this site itself
}

// RosterChange is a change of the roster that sites ask for.
type RosterChange struct {
	ID        block.CID      `json:"id"`
	Text      string         `json:"text"`
	Change    *ledger.Change `json:"change"`
	Approvals []string       `json:"approvals"` // sites that approve
	Withdrawn []string       `json:"withdrawn"` // sites that have taken their approval back
	Missing   int            `json:"missing"`   // approvals until there is a quorum
	Own       bool           `json:"own"`       // whether this site approves
	Joined    bool           `json:"joined"`    // the key that comes has signed, or none comes
}

// ChangeRequest is what the operator says to a change of the roster: yes to one that it asks for itself, by Add, Remove or
// both with one name, or to one that another site has asked for, by Approve; no after a yes, by Withdraw.
type ChangeRequest struct {
	Add      *RosterSite `json:"add,omitempty"`
	Remove   string      `json:"remove,omitempty"`   // a site's name
	Approve  string      `json:"approve,omitempty"`  // the change's ID, or the end of it
	Withdraw string      `json:"withdraw,omitempty"` // likewise
	// Protocol is the number that the mesh is to go by, and Weft the version that brings it; alone, or with Add or Remove.
	Protocol uint64 `json:"protocol,omitempty"`
	Weft     string `json:"weft,omitempty"`
}
