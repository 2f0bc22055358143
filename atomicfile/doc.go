// Package atomicfile replaces files whole: readers, and whoever looks after a crash, find the
// old file or the new one.
//
// The steps are renameio's: a temporary file beside the target, fsync, rename. What that leaves
// to its callers is done here: the directory is synced too, so what Write and Commit report as
// done survives a power cut, and the temporary file is beside its target always, never in TMPDIR.
//
// Package blockstore does the same steps itself, through the file system that its crash tests
// break.
package atomicfile
