//go:build !node

package main

import "github.com/spf13/cobra"

func newBench(e *env) *cobra.Command {
	return newGroup(&cobra.Command{Use: "bench", Short: "Measure weft on this machine"}, newBenchRound(e), newBenchExchange(e), newBenchStore(e), newBenchReduce(e))
}
