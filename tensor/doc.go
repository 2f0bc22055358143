// Package tensor says how the tensors of a model or an update lie in bytes: for the store that
// keeps them, the arithmetic that averages them, and the trainers that read and write them.
//
// Words:
//   - dtype: how one element lies in bytes, little-endian ([DType]), by the names of
//     safetensors: F32 (IEEE 754 binary32), F16 (binary16) and BF16 (the upper half of a
//     binary32); and others, which are stored but not computed with: whole numbers, truth
//     values, F64
//   - layout: names, types, shapes and order of the tensors ([Layout]); a block, so equal
//     layouts have equal CIDs
//   - canonical data: the tensors in the order of their names (as bytes, strictly
//     ascending), each one's elements row-major and little-endian, nothing in between
//   - shard: a fixed number of consecutive elements of the canonical data, the last one may
//     have fewer ([Shard], [Cut]). Counted in elements, so none straddles two shards even
//     where types are mixed
//   - segment: consecutive elements of one type within a shard ([Segment])
//   - header: what stands before the data in a safetensors file ([Header])
//
// # Elements
//
// Decoding is exact: every F32, F16 and BF16 value is a float64, and every F16 and BF16
// value a float32. Encoding rounds once, to the nearest value of the type, ties to even,
// straight from the float it is given: going from float64 to BF16 or F16 through float32
// would round twice and differ in the last bit. Only integer operations, single additions
// and single multiplications by powers of two are used, so the bits are the same on every
// architecture.
//
// The bulk functions refuse what has no finite encoding: [Encode] returns the index of the
// first element that is NaN, infinite, or overflows; [NonFinite] finds such elements
// in bytes.
//
// # Files
//
// [ReadHeader] takes any safetensors file whose types and limits weft knows, whatever the
// order of its tensors. [Layout.SafetensorsHeader] writes one form only, so files of equal
// content are equal. A [Cut] says what an artifact's file has before its shards. Floats of 8 bits and fewer, and complex numbers, are refused by name.
//
// The package is pure: it reads from the readers that it is given, and has no state, no
// clock and no randomness.
package tensor
