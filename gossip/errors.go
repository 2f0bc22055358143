package gossip

import "errors"

var (
	// ErrClosed is returned after the transport was closed.
	ErrClosed = errors.New("transport is closed")
	// ErrFull is returned for a message to a site that does not take its messages fast enough.
	ErrFull = errors.New("queue to the site is full")
	// ErrStranger is returned for a message to a peer that is no other site of the roster.
	ErrStranger = errors.New("not another site of the roster")
	// ErrSize is returned for a message that is empty or longer than MaxMessage.
	ErrSize = errors.New("message must have 1 to 1048576 bytes")
	// ErrFrame is returned for bytes of a stream that are not frames within the limits.
	ErrFrame = errors.New("malformed frame")
	// ErrRecord is returned for an address record that is not what its site signed, or exceeds the limits.
	ErrRecord = errors.New("malformed address record")
)
