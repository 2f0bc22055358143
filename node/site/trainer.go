package site

import (
	"log/slog"

	"github.com/weft-mesh/weft/train"
)

// TrainerEnv is what the site gives its trainer. One that is a process has its socket below runDir.
func (h *Home) TrainerEnv(runDir string, log *slog.Logger) train.Env {
	return train.Env{Dir: h.Dir, Config: h.Path(ConfigFile), RunDir: runDir, Log: log.With("from", "trainer")}
}

// Choices are what the log says at start of who trains here and in which runs: what a person most likely got wrong.
func (h *Home) Choices(e train.Env) []any {
	return append(h.Config.Trainer.Words(e), "accept", h.Config.Accept.String())
}
