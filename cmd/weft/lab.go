//go:build !node

package main

import "github.com/spf13/cobra"

// labExample is a line of `weft --help`.
const labExample = "  weft try -- python3 train.py  your own script at three sites on this machine\n" +
	"  weft demo                    three sites on this machine, in two minutes\n"

// newLab returns the commands that try weft on one machine. A node needs none of them, and a binary built with
// -tags node has none: no simulator, no adversaries, no emulated networks (docs/hacking.md).
func newLab(e *env) []*cobra.Command {
	return []*cobra.Command{newTry(e), newDemo(e), newScenario(e), newBench(e)}
}
