package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/train/dryrun"
)

// patience is how long the trainer may take to ask for its first task; importing a large framework from a cold disk takes some of it.
const patience = 2 * time.Minute

// trainer looks whether the site's trainer can be started, and starts it.
func (c *Config) trainer(ctx context.Context, settings *config.Config, tell func(Finding)) {
	own, isExec := settings.Trainer.Settings.(*train.ExecSettings)
	if isExec {
		c.gpu(ctx, own, tell)
	}
	_, attach := settings.Trainer.Settings.(*train.AttachSettings)
	switch {
	case attach:
		tell(Finding{Check: "trainer", Level: Good, Text: fmt.Sprintf("a script that you start, which says weft.init(node=%q)", c.Dir)})
		return
	case settings.Trainer.Initial():
		tell(Finding{Check: "trainer", Level: Good, Text: "the embedded one"})
		return
	case !c.Start:
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	begun := time.Now()
	err := dryrun.Start(ctx, dryrun.Config{Dir: c.Dir, Rounds: 1, Log: c.Log})
	switch {
	case ctx.Err() == context.DeadlineExceeded:
		tell(Finding{"trainer", Warning, fmt.Sprintf("has not asked for a task in %s", patience), "weft trainer test shows what it does"})
	case err != nil:
		f := failed("trainer", err)
		if f.Hint == "" {
			f.Hint = "weft trainer test shows all that it writes"
		}
		tell(f)
	default:
		tell(Finding{Check: "trainer", Level: Good, Text: fmt.Sprintf("starts, and asks for its task after %s", time.Since(begun).Round(100*time.Millisecond))})
	}
}

// askTorch prints how many GPUs PyTorch sees.
const askTorch = "import torch; print(torch.__version__, torch.cuda.device_count())"

// gpu compares the GPUs that the driver knows with those that the script's interpreter sees, where both can be asked.
func (c *Config) gpu(ctx context.Context, own *train.ExecSettings, tell func(Finding)) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	there := 0
	if out, err := exec.CommandContext(ctx, "nvidia-smi", "--list-gpus").Output(); err == nil {
		there = strings.Count(string(out), "\n")
	} else if !errors.Is(err, exec.ErrNotFound) {
		tell(Finding{"gpu", Warning, fmt.Sprintf("nvidia-smi: %v", err), "the driver does not answer: nvidia-smi says why"})
	}
	if len(own.Exec) == 0 || !strings.HasPrefix(filepath.Base(own.Exec[0]), "python") {
		if there > 0 {
			tell(Finding{Check: "gpu", Level: Good, Text: fmt.Sprintf("the driver has %d", there)})
		}
		return
	}
	ask := exec.CommandContext(ctx, own.Exec[0], "-c", askTorch)
	ask.Dir, ask.Env = cmp.Or(own.Dir, c.Dir), append(os.Environ(), own.Env...)
	out, err := ask.Output()
	var version string
	var seen int
	if _, bad := fmt.Sscan(string(out), &version, &seen); err != nil || bad != nil {
		return // a script without PyTorch
	}
	switch {
	case seen < there:
		tell(Finding{"gpu", Warning, fmt.Sprintf("the driver has %d, PyTorch %s of %s sees %d", there, version, own.Exec[0], seen),
			"install the build of PyTorch that fits the driver, and look at CUDA_VISIBLE_DEVICES"})
	case seen == 0:
		tell(Finding{"gpu", Good, fmt.Sprintf("none; PyTorch %s trains on the CPU", version), ""})
	default:
		tell(Finding{Check: "gpu", Level: Good, Text: fmt.Sprintf("PyTorch %s sees %d", version, seen)})
	}
}
