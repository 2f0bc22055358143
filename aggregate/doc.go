// Package aggregate computes the new global model of a round from its sealed updates.
//
// A [Strategy] says how: its rule makes of n sites' changes one ([Rule], [Judge]), and its
// outer step makes the next model of that and the base ([Outer]), with state that goes from
// round to round. [Reduce] is the one way to compute a model: of a node in a round, of
// verify --recompute, of scenarios and of tools.
//
// # A strategy is a file
//
// Each rule and outer step registers itself by a package-level variable of its own file,
// with its name, text and parameters; nothing else lists them. What a program does not know
// is refused by name ([SpecError]); it says nothing of whether a run is valid. Parameters
// are decimal text, in a stated range, read by strconv, so that every site gets the same
// float64.
//
//	rule_NAME.go, outer_NAME.go   one rule or outer step each
//	rule.go, outer.go             what they implement
//	registry.go, param.go         how they are found
//	reduce.go, order.go           the driver: workers, order, progress
//	mean.go                       fedavg without an outer step: a mean of parameters
//	measure.go, combine.go        all others: lengths of changes, then combining and the step
//
// Every site computes the model for itself and must get the same bytes as all others,
// whatever its processor, so a strategy is defined as a sequence of rounded operations and
// not as a real number to come close to.
//
// # Arithmetic of the mean
//
// Rule fedavg without an outer step is the weighted mean of McMahan et al.,
// "Communication-Efficient Learning of Deep Networks from Decentralized Data" (arXiv
// 1602.05629, algorithm 1). For each element, with x the update's element, w its weight and
// W the sum of the weights, 0 < W < 2^53, so that weights and sum are exact in a float64:
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
// # Arithmetic of changes
//
// All other strategies combine changes of the round's base. Only + - * / and Sqrt occur,
// each rounded on its own as above. For input i and each element, with u the update's and b
// the base's:
//
//	x_i = (float64(u) - float64(b)) + 0        so that -0 becomes +0
//	D = what the rule makes of all x_i and their coefficients
//	out, state' = what the outer step makes of b, D and the state
//	model element = out, rounded to the model's type; slot element = state', to F32
//
// An x_i must not exceed the largest float32, else the input is refused. The coefficient of
// an input is float64(w)/float64(W), or what a Judge says. A weighted sum is
//
//	D = +0
//	for each input in seal order:
//	        D = D + coef_i*x_i
//
// Where inputs state steps, the coefficient of input i is multiplied by n_i, of which nothing
// is left to an order: with t the lower median of the stated steps a_i, not of the ones that
// state none,
//
//	n_i = min(float64(t)/float64(a_i), 10), 1 without steps
//	m = the median of all n_i*|x_i|, of an even number the middle between two
//	n_i = max(1, 2*m/|x_i|) where n_i > 1 and n_i*|x_i| > 2*m
//
// and changes are combined so under the mean without an outer step too.
//
// The length of a change, which a Judge may ask for, is the Sqrt of a sum over shards:
//
//	total = +0
//	for each shard in order:
//	        lane_0 ... lane_7 = +0
//	        for each element e of the shard in order, d = float64(float32(x_i)):
//	                lane_(e mod 8) = lane_(e mod 8) + d*d
//	        s = +0, and lane_0 to lane_7 are added to it in order
//	        total = total + s
//
// So it depends on how the model is cut into shards, which is the run's, and on nothing
// else; whoever computes parts of it elsewhere has to give the sum of each shard.
//
// [Compare] measures an update and its base so, for the norm that its author states.
//
// Every strategy blames the same input for the same updates, and the first by shard, input
// and element ([NotFiniteError]). Out of finite inputs an outer step may still leave the
// range of a type, round after round; that is nobody's ([OverflowError]).
//
// # Words
//
// An input is a sealed update with its weight. A change is what an update differs by from
// the round's base. A shard is a fixed slice of the model's elements, in encoded form, and
// a segment a part of a shard with elements of one type: a shard may cover tensors of
// several types. A tile is the number of elements worked on at a time, few enough for the
// fastest cache. A slot is a part of an outer step's state: one F32 for each element of the
// model, cut into shards of as many elements as the model's, so that a model's shard needs
// the same shard of its slots and no other. So a shard of a model with state has at most
// 2^20 elements, whatever their type.
//
// # Memory
//
// Shards are computed one at a time by each of at most four workers, and inputs are read
// in groups of eight. With S the bytes and E the elements of the largest shard, a worker
// holds 8 S of inputs (a late one's bases among them), 1 S of output, 8 E of accumulators
// if there is more than one group, and 12 KiB to decode into. For shards of 1 MiB of F32
// that is 11 MiB, so 44 MiB in all: for models of any size, and any number of updates. A
// table of 256 KiB comes with the first F16 model.
//
// Weighted sums of changes ([Sum]) hold 1 S of the base and 8 E of each slot besides, for
// what it was and is. Other rules want all inputs of an element at once: a worker then holds
// n S of inputs, and there are only as many workers as come to 256 MiB of them, but one.
//
// The package is pure: no I/O but through the functions it is given, no clock, no
// randomness.
package aggregate
