// Package block names bytes by their content.
//
// A block is a byte string and its CID (content identifier, CIDv1 of the
// multiformats specification): the BLAKE3-256 multihash of the bytes and the
// codec that says how to read them, [Raw] for the element bytes of a shard,
// [DagCBOR] for manifests, layouts, ledger entries and certificates. So every
// block of weft is a plain IPFS block.
//
// [Encode], [Decode] and [DecodeKnown] are weft's only serialisation of structured data: strict
// DAG-CBOR (https://ipld.io/specs/codecs/dag-cbor/spec/). One value has one
// encoding, and both decoders refuse every other, so equal values have equal CIDs and
// a signature over bytes is a signature over the value.
//
// Decode also refuses fields that the type does not have. It reads what this program wrote, or what
// means something else when a field of it is passed over: records of the log, manifests, layouts.
// DecodeKnown reads what other sites say, who may run a later version: it passes over the fields that
// the type does not have and returns their names. Whoever keeps such a value keeps its bytes, since
// encoding it again would lose them.
package block
