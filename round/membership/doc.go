// Package membership is how a mesh's roster comes to change: operators approve of a change, take an
// approval back or give it again, the key that comes signs that it wants to join, and once a quorum
// approves the change can be decided.
//
// Nothing here is the ledger's: it is what this site has heard of changes that are not decided. All of it
// is for the roster in force and is forgotten when that changes.
package membership
