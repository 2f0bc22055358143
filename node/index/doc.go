// Package index knows what each artifact in a site's store is for, and so who may read it and when it goes.
//
// A [Use] says for which run an artifact is held and as what. [Index.Readable] follows from the uses:
// models are for every site, updates and drafts for the participants of their run. A [Keeper] decides by
// the ledger and the site's policy which uses are over.
package index
