package exchange

import (
	"time"

	"github.com/weft-mesh/weft/block"
)

// Limits of the protocol: the same for everybody, checked by both sides.
const (
	// MaxListed is how many CIDs one want, cancel, have or dont-have frame may carry.
	MaxListed = 1024
	// MaxUnanswered is how many wants of a stream may be without an answer.
	MaxUnanswered = 4096
	// MaxRemembered is how many refused CIDs of a stream a provider remembers, to send have.
	MaxRemembered = 4096

	cidSize   = 1 + block.DigestSize
	maxFrame  = 1 + cidSize + block.MaxSize // a block frame with the largest block
	chunkSize = 256 << 10                   // bytes after which a transfer counts as alive
)

// Limits of this side's own behaviour.
const (
	// maxAsks is how many asks may be out to one provider, well below MaxUnanswered.
	maxAsks = 1024
	// maxAskers is how many providers may be asked for the same block in the end game.
	maxAskers = 3
	// patience is how old an ask has to be before a provider that has delivered nothing yet is asked too.
	patience = 500 * time.Millisecond
	// soon is how long a block is taken to need from a provider that has delivered nothing to the fetch yet.
	soon = 2 * time.Second
	// worth is how much earlier a block has to be here from another provider for that one to be asked too: what the first
	// one has sent cannot be called back any more, so that asking twice costs the block's bytes.
	worth = 100 * time.Millisecond
	// maxRetractions is how often one provider may say dont-have and then have for a block.
	maxRetractions = 4
	// firstGuess is the size that a block is taken to have until the first one arrived.
	firstGuess = 1 << 20
	// writeBuffer fills one yamux data frame (64 KiB less its header).
	writeBuffer = 64<<10 - 12
	readBuffer  = 16 << 10
)

// DefaultConfig returns the values every exchange starts from; Host, Source and Allow are
// the caller's to set.
func DefaultConfig() Config {
	return Config{
		Workers:       0,
		Readers:       4,
		Memory:        128 << 20,
		Window:        8 << 20,
		MaxWindow:     32 << 20,
		MaxRequesters: 256,
		DialTimeout:   20 * time.Second,
		Stall:         time.Minute,
		Idle:          5 * time.Minute,
		Backoff:       100 * time.Millisecond,
		MaxBackoff:    5 * time.Second,
		Attempts:      6,
		Penalty:       10 * time.Minute,
	}
}
