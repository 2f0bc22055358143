//go:build unix

package aggregate_test

import (
	"fmt"
	"slices"
	"syscall"
	"testing"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/tensor"
)

// BenchmarkFedAvgOfCopy gives the bytes of input that one worker averages in a second, of eight updates of 64 MiB in all, as a
// part of the bytes that a copy loop copies: in turn, and the quartiles of the parts. What counts is the process's time on a processor, so
// that other work on the machine changes little.
func BenchmarkFedAvgOfCopy(b *testing.B) {
	const shards, size, updates = 8, 1 << 20, 8
	for _, d := range []tensor.DType{tensor.F32, tensor.BF16, tensor.F16} {
		b.Run(fmt.Sprint(d), func(b *testing.B) {
			job := aggregate.Job{Shape: flat(shards, tensor.Segment{DType: d, Elements: uint64(size / d.Size())})}
			for j := range updates {
				own := make(memory, shards)
				for i := range own {
					own[i] = make([]byte, size)
					for at := 0; at < size; at += d.Size() {
						tensor.Encode(own[i][at:at+d.Size()], []float64{float64((at+j)%4002)/2048 - 1}, d)
					}
				}
				job.Inputs = append(job.Inputs, aggregate.Input{Weight: uint64(1000 + j), Update: own})
			}
			to := make(memory, shards*updates)
			for k := range to {
				to[k] = make([]byte, size)
			}
			var parts []float64
			for b.Loop() {
				start := processor(b)
				for k := range to {
					copy(to[k], job.Inputs[k%updates].Update.(memory)[k/updates])
				}
				copied := processor(b) - start
				start = processor(b)
				if _, err := aggregate.ReduceWorkers(b.Context(), job, aggregate.Sink{Model: func(int, []byte) error { return nil }}, 1); err != nil {
					b.Fatal(err)
				}
				parts = append(parts, copied/(processor(b)-start))
			}
			slices.Sort(parts)
			for k, name := range []string{"q1-of-copy", "median-of-copy", "q3-of-copy"} {
				b.ReportMetric(parts[(k+1)*(len(parts)-1)/4], name)
			}
		})
	}
}

// processor returns the seconds that this process has been on a processor.
func processor(b *testing.B) float64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}
