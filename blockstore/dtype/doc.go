// Package dtype converts between the element types that weft stores and Go's floats.
//
// A [DType] names how one element lies in bytes, little-endian, with the names that
// safetensors uses: F32 (IEEE 754 binary32), F16 (binary16) and BF16 (the upper half of
// a binary32).
//
// Decoding is exact: every F32, F16 and BF16 value is a float64, and every F16 and BF16
// value a float32. Encoding rounds once, to the nearest value of the type, ties to even,
// straight from the float it is given: going from float64 to BF16 or F16 through float32
// would round twice and differ in the last bit. Only integer operations, single additions
// and single multiplications by powers of two are used, so the bits are the same on every
// architecture.
//
// The bulk functions refuse what has no finite encoding: [Encode] tells the index of the
// first element that is NaN, infinite, or overflows; [NonFinite] finds such elements
// in bytes. The package is pure: no I/O, no state, no randomness.
package dtype
