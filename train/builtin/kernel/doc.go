// Package kernel is the arithmetic of the embedded trainer: float32 matrix
// products and the vector functions of a transformer.
//
// [Mul] multiplies a strided matrix by a [Packed] one. Packing lays the right-hand
// matrix out in panels of 16 columns, the order in which the innermost function,
// a tile of 6×16 results held in registers, reads it. Weights are packed once per
// optimizer step, not once per product.
//
// On amd64 with AVX2 and FMA the innermost functions are assembly, generated with avo
// by the program in asm; elsewhere, and with the build tag purego, they are Go. The choice is
// made when the program starts. Both sum each element over the inner dimension in
// ascending order, but only assembly fuses multiplication and addition, so results
// agree to rounding and are bit-equal only between runs on the same kind of kernel.
// [Name] says which one runs.
package kernel

//go:generate go run ./asm
