package gossip

import "time"

// MaxMessage is the longest message that is published or sent, in bytes.
const MaxMessage = 1 << 20

// DefaultDegree is the number of connections that a site of a large mesh seeks. In a mesh with no
// more sites than that all connect to all.
const DefaultDegree = 32

// Limits on what a peer can make a site keep, read or do.
const (
	maxQueued      = 256              // messages waiting for one peer
	maxQueuedBytes = 8 << 20          // and their bytes
	maxRecord      = 8 << 10          // bytes of a signed address record
	maxAddrs       = 32               // addresses of a site
	maxRecords     = 2048             // records in one exchange; twice the largest roster
	maxAddressFile = 32 << 20         // bytes of the address file
	maxStrangers   = 256              // refused peers remembered, so that each is logged once
	frameTimeout   = 30 * time.Second // to read or write a frame once it has begun
	openTimeout    = 10 * time.Second // to open a stream, dialing included
	recordsTimeout = 10 * time.Second // for an exchange of address records
)

// Dialing.
const (
	dialMin     = 250 * time.Millisecond // first wait before dialing again
	dialMax     = 30 * time.Second       // longest
	dialTimeout = 15 * time.Second
	dialHead    = time.Second      // start that the site with the smaller ID gets, so that two do not dial each other
	dialNews    = 10 * time.Second // between two times that new addresses make a site be dialed at once
	maxDials    = 16               // at one time
)

// Care of the connections.
const (
	careEvery  = 5 * time.Second
	rttEvery   = 6                // turns of care between two measurements of the round trip
	nudgeAfter = 2                // turns that a connected site may be without gossip before something is done
	dropAfter  = 6                // and before it is disconnected in any case, to be dialed anew
	staleAfter = 10 * time.Second // silence of an old connection while a newer one answers, before both are closed
)

// Gossipsub. Half-second heartbeats repair a lost message in about a second; the history is as
// long as the usual one in seconds.
const (
	heartbeat      = 500 * time.Millisecond
	historyLength  = 12
	historyGossip  = 8
	seenFor        = 2 * time.Minute // how long equal bytes are known as equal
	pubsubWorkers  = 4               // handlers called at one time
	pubsubQueue    = 512             // messages waiting for a handler; more are dropped and asked for again
	pubsubOutgoing = 256             // RPCs waiting for one peer
	pubsubFraming  = 64 << 10        // bytes of an RPC beside one message of the greatest length
)
