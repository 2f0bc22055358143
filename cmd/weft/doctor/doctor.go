// Package doctor looks for what would keep a site from taking part in a run, before one is opened.
package doctor

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"

	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/site"
)

// Level says how bad a finding is.
type Level string

// Levels, from harmless to what keeps a site from taking part.
const (
	Good    Level = "good"
	Warning Level = "warning"
	Failure Level = "failure"
)

// Finding is what a check found.
type Finding struct {
	Check string `json:"check"`
	Level Level  `json:"level"`
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty"`
}

// failed is the finding of an error; its hint comes along.
func failed(check string, err error) Finding {
	text, advice := hint.Split(err)
	return Finding{check, Failure, text, advice}
}

// Config is what is examined, and how.
type Config struct {
	Dir   string       // the site's directory
	Node  *api.Client  // of its node, which may not run
	Agent string       // name and version of this program, for other sites
	Log   *slog.Logger // gets what the trainer writes
	Start bool         // start the trainer
}

// Examine does all checks in turn and tells each finding as it comes. A check whose ground another has found missing is left out.
func Examine(ctx context.Context, c Config, tell func(Finding)) error {
	settings, err := config.Read((&site.Home{Dir: c.Dir}).Path(site.ConfigFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		tell(Finding{"site", Failure, c.Dir + " is no site's directory", "run weft init, or name the directory with --dir"})
		return nil
	case err != nil:
		tell(failed("site", err))
		return nil
	}
	home, err := site.Open(c.Dir)
	if err != nil {
		tell(failed("site", err))
	} else {
		tell(Finding{Check: "site", Level: Good, Text: settings.Name + " of mesh " + home.Genesis.Name})
		c.mesh(ctx, home, tell)
	}
	c.disk(uint64(settings.DiskReserve), tell)
	tell(clock())
	c.trainer(ctx, settings, tell)
	return ctx.Err()
}
