// Package corpus holds three small samples of real English that differ in kind:
// Shakespeare's plays, Dolly's questions with answers, and encyclopedia articles.
//
// They are what the sites of a demonstration train on. Each kind has a training text
// and a held-out text with nothing in common; sources, licences and changes are in
// ATTRIBUTION.md. The samples are made from the full data sets by the command
// train/builtin/cmd/corpus.
package corpus
