// Package deal deals a data file out to the sites of a mesh on this machine, a file for each.
//
// A plan says which site gets which rows. Chance comes from the seed alone: the same file, sites, plan and seed give the same
// bytes. In its part a row has the bytes that it has in the file, and rows follow each other as they do there.
//
// The file is read twice, row by row: first for the labels, then for the rows. In between, each row takes 14 bytes of
// memory.
package deal
