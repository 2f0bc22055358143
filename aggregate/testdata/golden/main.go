// Command golden writes the models of the golden rounds to stdout, shard after shard; given
// strategies, it writes the CIDs of what their golden runs come to instead. The tests of
// package aggregate build and run it for several processors.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/aggregate/aggregatetest"
)

func main() {
	n := float64(len(os.Args))
	if unguarded(n, n, n) == 0 {
		os.Exit(1)
	}
	if len(os.Args) == 1 {
		models()
	}
	for _, strategy := range os.Args[1:] {
		lines, err := aggregatetest.GoldenStrategy(strategy)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Printf("%s\n%s", strategy, lines)
	}
}

func models() {
	for _, g := range aggregatetest.Goldens() {
		cut := g.Cut(aggregatetest.GoldenShard)
		base, inputs := g.Inputs(cut, aggregatetest.Direct)
		write := func(_ int, data []byte) error {
			_, err := os.Stdout.Write(data)
			return err
		}
		if _, err := aggregate.Reduce(context.Background(), aggregate.Job{Shape: cut.Shape(), Base: base, Inputs: inputs}, aggregate.Sink{Model: write}); err != nil {
			fmt.Fprintln(os.Stderr, g.Name, err)
			os.Exit(1)
		}
	}
}

// unguarded is a product and a sum without the explicit conversion, so that the tests can
// see whether this compiler fuses them for this processor.
//
//go:noinline
func unguarded(x, y, z float64) float64 { return x*y + z }
