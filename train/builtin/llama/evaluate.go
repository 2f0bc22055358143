package llama

import (
	"context"
	"sync"
	"sync/atomic"
)

// Quality is how well a model foretells a text, byte by byte.
type Quality struct {
	Loss     float64 // mean cross entropy, in nats per byte
	Accuracy float64 // part of the bytes that the model held for the likeliest
}

// Loss returns the loss that Measure returns.
func (m *Model) Loss(ctx context.Context, text []byte, workers int) (float64, error) {
	q, err := m.Measure(ctx, text, workers)
	return q.Loss, err
}

// Measure measures the model on text, the first byte not counted. The text is read in windows of
// Context bytes, each without memory of the one before. The result does not depend on the number of
// workers. It returns ctx's error when ctx ends first, and nothing for a text of less than two bytes.
func (m *Model) Measure(ctx context.Context, text []byte, workers int) (Quality, error) {
	if len(text) < 2 {
		return Quality{}, nil
	}
	windows := (len(text) - 2 + m.Context) / m.Context
	sums, rights := make([]float64, windows), make([]int, windows)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workerCount(workers, windows) {
		wg.Go(func() {
			p := newPass(m)
			for i := int(next.Add(1)) - 1; i < windows && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				w := text[i*m.Context : min(len(text), (i+1)*m.Context+1)]
				p.forward(w[:len(w)-1])
				sums[i], rights[i] = p.loss(w[1:], 0)
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return Quality{}, err
	}
	var total float64
	right := 0
	for i := range windows {
		total += sums[i]
		right += rights[i]
	}
	n := float64(len(text) - 1)
	return Quality{Loss: total / n, Accuracy: float64(right) / n}, nil
}
