package main

import (
	"context"
	"errors"
	"os"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/train"
)

// average writes the model that a mesh would make of the updates, bit for bit.
func average(ctx context.Context, path string, updates []train.Result) (err error) {
	store := blockstore.NewMemory(blockstore.Options{})
	var inputs []aggregate.Input
	var first *blockstore.Artifact
	for _, u := range updates {
		manifest, err := store.Import(ctx, u.Update, blockstore.ImportOptions{Finite: true})
		if err != nil {
			return err
		}
		a, err := store.Open(manifest)
		if err != nil {
			return err
		}
		defer a.Close()
		if first == nil {
			first = a
		}
		inputs = append(inputs, aggregate.Input{Weight: u.Samples, Update: a})
	}
	b, err := store.NewArtifact(first.Cut())
	if err != nil {
		return err
	}
	_, err = aggregate.Reduce(ctx, aggregate.Job{Shape: aggregate.ShapeOf(first), Inputs: inputs}, aggregate.Sink{Model: func(i int, data []byte) error {
		_, err := b.WriteShard(i, data)
		return err
	}})
	if err != nil {
		return errors.Join(err, b.Abort())
	}
	model, err := b.Commit()
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(store.Export(model, f), f.Close())
}
