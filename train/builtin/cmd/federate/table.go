package main

import (
	"context"
	"fmt"

	"github.com/weft-mesh/weft/train/builtin"
	"github.com/weft-mesh/weft/train/builtin/corpus"
)

// table prints losses in nats per byte: a row a model, a column a kind of held-out text.
type table struct {
	ctx     context.Context
	config  map[string]string
	measure int // bytes of each text
}

func (t *table) header() {
	fmt.Printf("%-18s", "nats/byte on")
	for _, kind := range corpus.Kinds() {
		fmt.Printf("%13s", kind)
	}
	fmt.Printf("%13s\n", "mean")
}

func (t *table) row(name, path string) error {
	fmt.Printf("%-18s", name)
	var sum float64
	for _, kind := range corpus.Kinds() {
		text, err := corpus.Sample{Kind: kind, Part: 1, Parts: 1}.Heldout()
		if err != nil {
			return err
		}
		loss, err := builtin.Evaluate(t.ctx, path, t.config, text[:min(len(text), t.measure)], 0)
		if err != nil {
			return err
		}
		sum += loss
		fmt.Printf("%13.4f", loss)
	}
	fmt.Printf("%13.4f\n", sum/float64(len(corpus.Kinds())))
	return nil
}
