package node

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/train/builtin"
	"github.com/weft-mesh/weft/train/builtin/corpus"
)

// newTrainer returns the trainer that the site has chosen.
func (n *Node) newTrainer() (train.Trainer, error) {
	if n.opt.Trainer != nil {
		return n.opt.Trainer, nil
	}
	switch c := n.home.Config.Trainer; {
	case c.Builtin != nil:
		t, err := builtin.New(builtin.Config{Data: n.home.local(c.Builtin.Data), Heldout: n.home.local(c.Builtin.Heldout), Workers: c.Builtin.Workers})
		if err != nil {
			return nil, hint(err, "trainer.builtin.data in "+n.home.path(configName)+" names the text")
		}
		return t, nil
	case c.Synthetic != nil:
		return &train.Synthetic{Time: time.Duration(c.Synthetic.Time)}, nil
	default:
		t, err := train.NewExec(train.ExecConfig{
			Command: c.Exec, Dir: n.home.local(orDot(c.Dir)), Env: c.Env, RunDir: n.home.path(tmpName), Log: n.log.With("from", "trainer"),
		})
		if err != nil {
			return nil, hint(err, "trainer.exec in "+n.home.path(configName)+" names the command")
		}
		return t, nil
	}
}

// initModel writes the model that a run with these hyperparameters starts from.
func (n *Node) initModel(ctx context.Context, path string, config map[string]string) error {
	if c := n.home.Config.Trainer.Synthetic; c != nil {
		return train.InitSynthetic(ctx, path, uint64(c.Bytes), c.Seed)
	}
	return builtin.InitModel(path, config)
}

func orDot(dir string) string {
	if dir == "" {
		return "."
	}
	return dir
}

// local returns a path of the configuration, which starts at the site's directory.
func (h *Home) local(path string) string {
	if path == "" || filepath.IsAbs(path) || strings.HasPrefix(path, corpus.Prefix) {
		return path
	}
	return filepath.Join(h.Dir, path)
}
