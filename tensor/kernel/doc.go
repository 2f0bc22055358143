// Package kernel is the arithmetic of elements in vector code: weighted means of many inputs, and whether all elements are finite.
//
// On amd64 it is written for AVX-512 and for AVX2, on arm64 for NEON, by the program in asm. Each gives the same bits as the Go
// code that it stands in for, in packages aggregate and tensor: products, sums, quotients and roundings are instructions of their
// own, in the same order within each element. Elsewhere, and with the build tag purego, there is none, and the Go code does all.
package kernel

//go:generate go run -C asm . ..
