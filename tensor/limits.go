package tensor

import "github.com/weft-mesh/weft/block"

// Limits on what the decoders accept. A layout must also fit into a block.
const (
	// MaxTensors of a layout; the largest models have some ten thousand.
	MaxTensors = 1 << 16
	// MaxName is the longest tensor name, in bytes.
	MaxName = 1024
	// MaxRank is the most dimensions of a tensor; NumPy allows 64, PyTorch's kernels 25.
	MaxRank = 32
	// MaxBytes of a layout's elements, 16 TiB.
	MaxBytes = 1 << 44
	// MaxShards of a cut: their CIDs fit into a manifest of one block. That makes 97 GiB
	// with the default shards and 390 GiB with the largest.
	MaxShards = 100_000
	// MaxHeader is the longest header of a safetensors file, in bytes.
	MaxHeader = 16 << 20
	// DefaultShardBytes is the size of a shard of the layout's widest type when no other is asked for.
	DefaultShardBytes = 1 << 20
)

// MaxShardBytes bounds a shard, which is one block.
const MaxShardBytes = block.MaxSize
