package exchange

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// Source is what an exchange serves from. Its methods are called concurrently.
type Source interface {
	// Read returns a block's bytes, which the exchange only reads: in buf, if its capacity is enough, or in memory of the
	// source's own.
	Read(c block.CID, buf []byte) ([]byte, error)
	// Has reports whether Read would find the block. It must be quick.
	Has(block.CID) bool
}

// Config says what an exchange works on. Begin with DefaultConfig.
type Config struct {
	Host   host.Host
	Source Source
	// Allow reports whether p may have block c. It is asked for every want, must be quick and
	// safe for concurrent use. There is no default: who may read what is for the node to say.
	Allow func(p peer.ID, c block.CID) bool
	// Misbehaved is told of a peer that was dropped; err is a *Misbehaviour. It is called once for
	// each drop, from a goroutine of the exchange, and must not block. May be nil.
	Misbehaved func(p peer.ID, err error)
	// Log may be nil.
	Log *slog.Logger

	// Workers is how many goroutines of one fetch verify blocks and call Put. 0: one for each
	// processor, at most 8; a core hashes about 4 GB/s, so more only help a slow Put.
	Workers int
	// Readers is how many blocks are read from Source at once. Requesters take turns, one block
	// each, so a long want list of one does not hold up another.
	Readers int
	// Memory bounds the bytes of blocks on the way here plus those not yet through Put. One
	// fetch may use what is still free, hence at most half when it is alone.
	Memory int64
	// Window is how many bytes a provider is asked for ahead, at first. It doubles up to MaxWindow while
	// that makes the provider deliver faster, so a long fat pipe is filled. 32 MiB fill
	// 2.5 Gbit/s at 100 ms.
	Window, MaxWindow int64
	// MaxRequesters is how many peers are served at once; each may cost one block of memory.
	MaxRequesters int
	// DialTimeout bounds one attempt to reach a provider.
	DialTimeout time.Duration
	// Stall is how long a peer that owes us bytes, or room for ours, may move none before its stream
	// is reset. It is no measure of speed: one chunk in that time is enough.
	Stall time.Duration
	// Idle is how long a stream without work is kept.
	Idle time.Duration
	// Backoff is the wait before a broken stream is opened again; it doubles up to MaxBackoff.
	Backoff, MaxBackoff time.Duration
	// Attempts is how many failures in a row make a provider count as gone. It is tried
	// on as long as a fetch runs, but no fetch waits for it any more.
	Attempts int
	// Penalty is how long a peer that misbehaved is neither asked nor served.
	Penalty time.Duration
}

func (c *Config) validate() error {
	if c.Host == nil || c.Source == nil {
		return errors.New("exchange: Config needs Host and Source")
	}
	if c.Allow == nil {
		return errors.New("exchange: Config needs Allow: say which peer may have which block")
	}
	if c.Memory < 2*block.MaxSize {
		return fmt.Errorf("exchange: Memory is %d bytes, below two blocks of the largest size (%d)", c.Memory, 2*block.MaxSize)
	}
	if c.Window <= 0 || c.MaxWindow < c.Window {
		return fmt.Errorf("exchange: Window %d must be positive and at most MaxWindow %d", c.Window, c.MaxWindow)
	}
	if c.Workers < 0 || c.Readers <= 0 || c.MaxRequesters <= 0 || c.Attempts <= 0 {
		return errors.New("exchange: Workers, Readers, MaxRequesters and Attempts must be positive; begin with DefaultConfig")
	}
	if c.DialTimeout <= 0 || c.Stall <= 0 || c.Idle <= 0 || c.Penalty <= 0 {
		return errors.New("exchange: DialTimeout, Stall, Idle and Penalty must be positive; begin with DefaultConfig")
	}
	if c.Backoff <= 0 || c.MaxBackoff < c.Backoff {
		return fmt.Errorf("exchange: Backoff %s must be positive and at most MaxBackoff %s", c.Backoff, c.MaxBackoff)
	}
	if c.Workers == 0 {
		c.Workers = min(8, runtime.GOMAXPROCS(0))
	}
	if c.Misbehaved == nil {
		c.Misbehaved = func(peer.ID, error) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}
