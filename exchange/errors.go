package exchange

import (
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// What a peer can do wrong; wrapped in a Misbehaviour.
var (
	// ErrWrongBytes: a block's bytes do not hash to the CID they were sent for.
	ErrWrongBytes = errors.New("sent wrong bytes for a block")
	// ErrFrame: bytes that are not a frame of the protocol, or one from the wrong side.
	ErrFrame = errors.New("broke the framing")
	// ErrLimit: a limit of the protocol was exceeded.
	ErrLimit = errors.New("exceeded a limit")
	// ErrUnasked: an answer to a want that does not stand.
	ErrUnasked = errors.New("sent an answer that was not asked for")
)

// ErrClosed is returned by calls on an exchange whose Run has ended.
var ErrClosed = errors.New("exchange is closed")

// Misbehaviour names a peer that broke the protocol and was dropped for it.
type Misbehaviour struct {
	Peer peer.ID
	CID  block.CID // the block it was about; the zero CID if none
	Err  error     // wraps ErrWrongBytes, ErrFrame, ErrLimit or ErrUnasked
}

func (e *Misbehaviour) Error() string {
	if e.CID.Defined() {
		return fmt.Sprintf("peer %s: block %s: %v", e.Peer, e.CID, e.Err)
	}
	return fmt.Sprintf("peer %s: %v", e.Peer, e.Err)
}

func (e *Misbehaviour) Unwrap() error { return e.Err }

// Unavailable is returned by Fetch when all other blocks are in and none of the providers
// can give these: each said dont-have, could not be reached, or was dropped.
type Unavailable struct {
	Missing []block.CID // in the order of the request
}

func (e *Unavailable) Error() string {
	if len(e.Missing) == 0 {
		return "no blocks are missing"
	}
	return fmt.Sprintf("%d blocks are with none of the providers, first %s; add providers or try again",
		len(e.Missing), e.Missing[0])
}
