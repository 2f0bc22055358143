// Package trace is what a site's protocol tells of its steps: to logs, tests, the terminal and pages.
package trace

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// Step is one step of a site's protocol.
type Step struct {
	Event  string        `json:"event"`
	Height uint64        `json:"height,omitempty"`
	View   uint64        `json:"view,omitempty"`
	Run    block.CID     `json:"run,omitzero"`
	Round  uint64        `json:"round,omitempty"`
	Entry  block.CID     `json:"entry,omitzero"`
	Kind   string        `json:"kind,omitempty"`
	Site   peer.ID       `json:"site,omitempty"`
	Sites  []peer.ID     `json:"sites,omitempty"`
	Model  block.CID     `json:"model,omitzero"`
	Took   time.Duration `json:"took,omitempty"`
	Text   string        `json:"text,omitempty"`
}
