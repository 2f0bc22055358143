// Package blockstore keeps a site's bytes by CID: small blocks one by one, and artifacts
// (models and updates) as shards of one file each.
//
// Words:
//   - layout, canonical data, shard: as package tensor has them. A layout is a block, and so
//     are a shard's bytes, a raw one
//   - manifest: layout, codec and shard CIDs of an artifact ([Manifest]); a block, whose CID
//     names the artifact
//   - complete, partial: an artifact of which all, or some, shards are in the store
//
// # Stores
//
// [Disk] and [Memory] are twins: one code above the file system, one conformance suite
// (package blockstoretest). A block is verified when it enters. [Blocks].Get verifies again;
// [Artifact].ReadShard does not, as whoever computes with the bytes does. [Store].Scrub verifies
// everything in the background. What went bad is held no longer, and can be fetched again: of
// an artifact just the bad shards.
//
// An artifact comes in one of three ways:
//   - Import takes a trainer's safetensors file, in place if it can
//   - Create fills one whose manifest is known, as shards are fetched ([Writer]); it goes on
//     after a crash, and serves what it has
//   - NewArtifact makes one as its shards are computed ([Builder])
//
// # On disk
//
// Weights lie on disk once. A complete artifact is one file that is itself valid
// safetensors: a header, then the canonical data, in which each shard is a range. So a
// trainer reads a model straight from the store ([Disk].Path), and a trainer's file becomes
// an artifact by rename.
//
//	lock                          held with flock while open
//	format                        the version, written last when the store is made
//	blocks/xx/CID                 blocks that were put; xx: the digest's first byte
//	artifacts/CID.safetensors     complete artifacts, read-only
//	partial/CID.safetensors       partial ones: full size, holes where shards are missing
//	partial/CID.held              which shards of it are durable
//	tmp/                          nothing that matters
//
// A crash at any byte leaves a store that opens with all that was promised to be durable.
// Small files appear whole by write, fsync, rename, fsync of the directory. An artifact's
// file is synced, and its manifest and layout are blocks, before it gets its name. A record
// of shards is written after they were synced. Opening clears tmp and partial files without
// a record.
//
// A disk failing or full gives an error that says so (ErrFull), and changes nothing else.
// After a failed fsync, what was written since the last good one counts as missing.
//
// # Limits
//
// A manifest is one block, so an artifact has at most tensor.MaxShards shards: 97 GiB in shards of
// 1 MiB. All that package tensor knows is stored as it is; other types are refused by
// name. Disk needs flock and hard Unix semantics of rename and open files: Linux, macOS, BSD.
package blockstore
