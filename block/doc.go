// Package block names bytes by their content.
//
// A block is a byte string and its CID (content identifier, CIDv1 of the
// multiformats specification): the BLAKE3-256 multihash of the bytes and the
// codec that says how to read them, [Raw] for the element bytes of a shard,
// [DagCBOR] for manifests, layouts, ledger entries and certificates. So every
// block of weft is a plain IPFS block.
//
// [Encode] and [Decode] are weft's only serialisation of structured data: strict
// DAG-CBOR (https://ipld.io/specs/codecs/dag-cbor/spec/). One value has one
// encoding, and Decode refuses every other, so equal values have equal CIDs and
// a signature over bytes is a signature over the value.
package block
