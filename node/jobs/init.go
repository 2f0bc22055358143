package jobs

import (
	"context"
	"encoding/binary"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/train"
)

// MakeModel has the trainer write the model that a run begins with into a folder, once it is free, and returns the file. The
// description has its nonce, from which the task's seed is taken, and is not complete otherwise.
func (j *Jobs) MakeModel(ctx context.Context, dir string, spec *ledger.RunSpec) (path string, err error) {
	leave, err := j.desk.turns.take(ctx, block.CID{}, 0)
	if err != nil {
		return "", err
	}
	defer leave()
	res, err := j.desk.trainer.Run(ctx, train.Task{
		Kind: train.Init, Name: spec.Name, Site: j.site.Now().Name, Rounds: spec.Rounds, Attempt: 1, Dir: dir, Seed: binary.BigEndian.Uint64(spec.Nonce), Config: j.site.Now().Overlay(spec.Train),
	}, nil)
	if err != nil && ctx.Err() == nil {
		err = &TrainerError{err}
	}
	return res.Update, err
}
