// Package aggregatetest makes rounds of updates for tests: the same on every processor, by
// integer arithmetic only.
//
// A [Round] is a model's runs of elements, a base and updates, not yet cut into shards; it
// becomes the shape and inputs of package aggregate for any size of shard. [Goldens] are the
// rounds whose models must come out the same, bit for bit, wherever weft runs.
package aggregatetest
