// Package aggregate computes the new global model of a round from its sealed updates.
//
// A rule says how updates become the model. [FedAvg] is the weighted mean of McMahan et
// al., "Communication-Efficient Learning of Deep Networks from Decentralized Data"
// (arXiv 1602.05629, algorithm 1). Every site computes the model for itself and must get
// the same bytes as all others, whatever its processor, so a rule is defined as a sequence
// of rounded operations and not as a real number to come close to.
//
// # Arithmetic
//
// For each element, with x the update's element, w its weight and W the sum of the weights,
// 0 < W < 2^53, so that weights and sum are exact in a float64:
//
//	acc = +0
//	for each input in seal order:
//	        acc = acc + float64(w)*float64(x)
//	model element = acc/W, rounded to the model's type
//
// Each product, sum and quotient is a float64 rounded on its own to nearest even, and the
// quotient is rounded once more, straight to the element's type. In the code each product
// stands in an explicit float64(...): the Go specification, "Floating-point operators", lets
// a compiler fuse x*y + z into one operation with one rounding, as it does for arm64 and
// amd64 v3 but not for amd64 v1, and says that an explicit conversion prevents that.
//
// A late update was trained from an older model, its own base. It counts by what it
// changed: in place of x stands
//
//	x' = float64(base) + (float64(x) - float64(own base))
//
// with both operations rounded on their own. x' must lie within the finite range of the
// element's type, else the input is refused.
//
// From this follows:
//   - The sequence has no parallel part within an element. Shards, workers and tiles divide
//     the elements, so no such choice changes a bit. Another seal order may.
//   - Finite inputs give a finite model. No product or sum of at most [MaxInputs] float64
//     steps comes near an overflow, and the mean of values within a type's range, off by
//     so few roundings, rounds to a value within it.
//   - Equal updates give themselves back wherever their products and sums are exact (such
//     as for W < 2^29 and F32), with one exception: -0 becomes +0.
//
// # Words
//
// An input is a sealed update with its weight. A shard is a fixed slice of the model's
// elements, in encoded form, and a segment a part of a shard with elements of one type:
// a shard may cover tensors of several types. A tile is the number of elements worked on
// at a time, few enough for the fastest cache.
//
// # Memory
//
// Shards are computed one at a time by each of at most four workers, and inputs are read
// in groups of four. With S the bytes and E the elements of the largest shard, a worker
// holds 4 S of inputs (a late one's bases among them), 1 S of output, 8 E of accumulators
// if there is more than one group, and 12 KiB to decode into. For shards of 1 MiB of F32
// that is 7 MiB, so 28 MiB in all: for models of any size, and any number of updates. A
// table of 256 KiB comes with the first F16 model.
//
// The package is pure: no I/O but through the functions it is given, no clock, no
// randomness.
package aggregate
