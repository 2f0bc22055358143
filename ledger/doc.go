// Package ledger holds the facts of a mesh: the decided entries with their certificates, and what
// follows from them.
//
// # Words
//
// A [Genesis] founds a mesh; its CID is the mesh's name. Sites make [Signed] statements. The mesh
// decides one [Entry] after another, each proven by a [Certificate]; together they are the [Ledger].
// Entries open and close a [Run], seal the updates of a round, void a round, commit the model that
// came out, and change the [Roster], the list of sites.
//
// # Validity
//
// [Ledger.Check] says whether an entry may follow the head. It is a pure function of the entry and
// the entries before it, so every site of a height gives the same answer. What a site holds, what it
// can compute and what it thinks of an entry play no part here: packages above decide those.
package ledger
