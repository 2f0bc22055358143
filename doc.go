// Package weft is the map of the module; the program is cmd/weft.
//
//	block        bytes and their CIDs, DAG-CBOR
//	blockstore   blocks and artifacts (models, updates) on disk; dtype below it
//	  exchange   the streaming block exchange between sites
//	aggregate    rules: sealed updates -> new global model, shard by shard
//	gossip       messages between the sites of a mesh, over libp2p
//	round        the protocol of one site as a pure state machine
//	  model      a second opinion on its agreement, searched exhaustively
//	train        a site's local training: the user's process, or builtin
//	node         the daemon: drives round with real disks and networks
//	cmd/weft     the command line
//	python       the package that training scripts import
//
// docs/architecture.md says how they work together; deps_test.go who may import whom.
package weft
