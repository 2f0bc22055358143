package aggregate

const (
	// MaxInputs of one aggregate. The error of that many roundings, below 2^-35, stays well
	// under half a step of F32 (2^-25), so a mean of finite values cannot overflow.
	MaxInputs = 1 << 16
	// maxWeight bounds the sum of the weights: integers up to it are exact in a float64.
	maxWeight = 1<<53 - 1
)

const (
	// maxWorkers bounds the memory; four outrun what disks and hashing deliver.
	maxWorkers = 4
	// group is how many inputs a worker reads before it adds them: as many at once need no
	// accumulators in memory, and of more these pass through the cache once for each group.
	group = 8
	// tile is how many elements are worked on at a time; 8 KiB of accumulators and 4 KiB
	// of each input stay in the first-level cache.
	tile = 1024
)

const (
	// maxTiles is how many changes a rule that wants all inputs of an element at once gets at a time, 1 MiB, unless there are
	// more than 8192 inputs.
	maxTiles = 1 << 17
	// maxAtOnce bounds the bytes of inputs that the workers hold under such a rule; one worker goes beyond it where the shards
	// of all inputs are more.
	maxAtOnce = 256 << 20
)
