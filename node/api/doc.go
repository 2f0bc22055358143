// Package api is the local API of a site's node: its types, what a ledger says in them, and the [Client].
//
// Package api/server answers it, on a Unix socket in the site's directory. This package links no network:
// a program that only asks a node how it is needs nothing of libp2p's hosts.
package api
