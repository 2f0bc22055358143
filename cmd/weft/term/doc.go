// Package term writes for people at a terminal, and for logs when there is none.
//
// Its rules: colours only on a terminal, and never with NO_COLOR set
// (https://no-color.org); nothing wider than 80 columns; a thing that changes in place
// on a terminal becomes one line for each change elsewhere; plain letters and the
// block characters of a progress bar, no pictures.
package term
