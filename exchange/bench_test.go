package exchange

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// BenchmarkFetch moves 64 MiB over loopback, once as blocks and once as a plain copy on a
// libp2p stream between the same hosts, in turn; of-stream is the speed of the one as a
// multiple of the other's.
func BenchmarkFetch(b *testing.B) {
	for name, bc := range map[string]struct{ n, size int }{
		"1MiB":  {64, 1 << 20},
		"64KiB": {1024, 64 << 10},
		"1KiB":  {65536, 1 << 10},
	} {
		b.Run(name, func(b *testing.B) {
			blocks := someBlocks(1, bc.n, bc.size-2)
			h := loopback(b, 2)
			src, dst := start(b, h[0], newMemory(blocks...)), start(b, h[1], newMemory())
			const plain = "/weft/bench/plain"
			var bytes []byte
			for _, bl := range blocks {
				bytes = append(bytes, bl.Data...)
			}
			h[0].SetStreamHandler(plain, func(s network.Stream) {
				for part := range slices.Chunk(bytes, 1<<20) {
					if _, err := s.Write(part); err != nil {
						return
					}
				}
				_ = s.Close()
			})
			want, total := cidsOf(blocks), int64(bc.n*bc.size)
			fetch := func() {
				st, err := dst.Fetch(context.Background(), Request{
					Want: want, Providers: []peer.ID{src.id()},
					Put: func(block.Verified) error { return nil },
				})
				if err != nil || st.Bytes != total {
					b.Fatal(st.Bytes, err)
				}
			}
			buf := make([]byte, 1<<20)
			stream := func() {
				s, err := h[1].NewStream(context.Background(), h[0].ID(), plain)
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{s}, buf)
				if err != nil || n != total {
					b.Fatal(n, err)
				}
			}
			fetch() // connects
			stream()
			b.SetBytes(total)
			b.ReportAllocs()
			var fetching, copying time.Duration
			b.ResetTimer()
			for b.Loop() {
				begin := time.Now()
				fetch()
				middle := time.Now()
				fetching += middle.Sub(begin)
				b.StopTimer()
				stream()
				copying += time.Since(middle)
				b.StartTimer()
			}
			rate := func(d time.Duration) float64 {
				return float64(total) * float64(b.N) / 1e6 / d.Seconds()
			}
			b.ReportMetric(rate(copying), "stream-MB/s")
			b.ReportMetric(copying.Seconds()/fetching.Seconds(), "of-stream")
		})
	}
}
