// Package archive reads a site's directory without its node, which may be running: the ledger, verified,
// and the models in the store.
//
// An [Archive] answers like a client of the node, as far as that goes; its [Report] says what the ledger
// proves, and [Archive.Recompute] computes committed models anew. [Verify] does the first of a directory
// or of a CAR file, which [WriteCAR] writes.
package archive
