// Package backup copies what a site cannot get back from the others into a folder, and makes a site of it again.
//
// The log, with all that the site has signed, is left out on purpose. A log of yesterday is not half as good as one of today: it
// does not know what the site has said since, and the site might contradict itself. Without it a restored site knows that it does
// not know, gets the ledger from the others and does not vote until they have decided two entries.
package backup
