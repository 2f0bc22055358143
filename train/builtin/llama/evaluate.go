package llama

import (
	"context"
	"sync"
	"sync/atomic"
)

// Loss returns the mean cross entropy over text in nats per byte, the first byte not
// counted. The text is read in windows of Context bytes, each without memory of the
// one before. The result does not depend on the number of workers. It returns ctx's
// error when ctx ends first, and 0 for a text of less than two bytes.
func (m *Model) Loss(ctx context.Context, text []byte, workers int) (float64, error) {
	if len(text) < 2 {
		return 0, nil
	}
	windows := (len(text) - 2 + m.Context) / m.Context
	sums := make([]float64, windows)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workerCount(workers, windows) {
		wg.Go(func() {
			p := newPass(m)
			for i := int(next.Add(1)) - 1; i < windows && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				w := text[i*m.Context : min(len(text), (i+1)*m.Context+1)]
				p.forward(w[:len(w)-1])
				sums[i] = p.loss(w[1:], 0)
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	var total float64
	for _, s := range sums {
		total += s
	}
	return total / float64(len(text)-1), nil
}
