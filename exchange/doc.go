// Package exchange moves blocks between peers over libp2p.
//
// # Words
//
//   - provider: a peer that a fetch may ask for blocks.
//   - requester: a peer that asks this one.
//   - fetch: one call of [Exchange.Fetch]: the blocks it wants and the providers it may ask.
//   - want: one block that one or more fetches of this exchange wait for.
//   - ask: a want that went to a provider and is not answered yet.
//   - lane: one provider as seen by one fetch.
//
// # Contract
//
// A block is handed to Put only after its bytes hashed to its CID. A peer that
// sends other bytes, breaks the framing, exceeds a limit or sends what nobody asked for is
// named ([Misbehaviour], Config.Misbehaved) and dropped: its streams are reset, its asks move
// to other providers, and it is neither asked nor served for Config.Penalty.
//
// A fetch pulls: every provider is asked for as much as its window has room for, so a fast one
// gets more of the work by itself. A provider with nothing left to do takes over
// the last asks of the one with the most (end game), as far as it brings them earlier by how fast both have been
// lately; the first answer wins, the other is cancelled. A want that several fetches share is asked once and handed to each that has memory
// left for it; the others get it by a transfer of their own.
//
// Memory is bounded. What arrived and is not yet through Put never exceeds Config.Memory: a
// stream waits before it hands on more. That is rare, as no more is asked for than fits
// with what was asked before, by the mean size of a fetch's blocks. One fetch may take as much of the
// memory as it leaves free, so a fetch whose Put stalls cannot starve another. On top comes one
// block for each stream that is being read or served, and what the transport buffers.
//
// Privacy: Config.Allow is asked for every block and requester. A refusal is the same
// dont-have as for a block that is not here.
//
// # Streams
//
// A pair of peers keeps one long-lived stream for each direction of requests, opened by the side
// that wants blocks when it first does. Two halves rather than one shared stream: neither side has to
// resolve a simultaneous open; a want never queues behind the bytes of a block that goes the
// same way; and a receiver that stops reading because its Put stalls holds up only the answers
// it asked for, not the requests of the other side. A broken stream is opened again with
// backoff while a fetch needs it; its asks go to other providers at once.
//
// # Wire, protocol /weft/blocks/1
//
// A stream carries frames, in both directions:
//
//	frame  = length type body
//	length = uvarint   bytes of type and body together, shortest form, 1 to 4 194 338
//	type   = 1 byte
//	cid    = 33 bytes  codec (0x55 raw, 0x71 dag-cbor), then the BLAKE3-256 digest
//
//	type  name       from       body
//	0x01  want       requester  order (1 byte), then 1 to 1024 cid
//	0x02  cancel     requester  1 to 1024 cid
//	0x03  have       provider   1 to 1024 cid
//	0x04  dont-have  provider   1 to 1024 cid
//	0x05  block      provider   cid, then the block's bytes, 0 to 4 194 304
//
// uvarint is the unsigned LEB128 of the multiformats specification.
//
// Every cid of a want frame is answered exactly once, by block or by dont-have. Blocks come
// in ascending order of the frames' order bytes, then in the order of the wants;
// a dont-have comes at once, ahead of blocks. Weft uses order 0 for urgent fetches and 1 for bulk.
// At most 4096 wants may be unanswered on a stream, and no two of them for the same cid.
//
// cancel asks to answer a want with dont-have now. It may cross the answer on the way and is
// then void. have says that a block refused earlier on this stream can now be had; it
// answers nothing, and the requester may want the block again. A provider remembers up to 4096
// refused cids of a stream for that; cancel makes it forget.
//
// The requester ends a stream by closing its side; the provider answers what is left and closes
// its own. Any other type, a frame from the wrong side, a list that is empty or not a multiple
// of 33 bytes, another codec, an exceeded limit, or an answer that was not asked for ends in a
// reset.
package exchange
