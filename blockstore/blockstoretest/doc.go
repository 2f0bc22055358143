// Package blockstoretest tests stores: [Test] is the suite that every blockstore.Store
// passes, and [NewArtifact] makes artifacts for it and for the tests of others.
package blockstoretest
