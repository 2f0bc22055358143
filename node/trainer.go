package node

import (
	"log/slog"

	"github.com/weft-mesh/weft/train"
)

// trainerEnv is what the site gives its trainer. One that is a process has its socket below runDir.
func (h *Home) trainerEnv(runDir string, log *slog.Logger) train.Env {
	return train.Env{Dir: h.Dir, Config: h.path(configName), RunDir: runDir, Log: log.With("from", "trainer")}
}

// choices are what the log says at start of who trains here and in which runs: what a person most likely got wrong.
func (h *Home) choices(e train.Env) []any {
	return append(h.Config.Trainer.Words(e), "accept", h.Config.Accept.String())
}
