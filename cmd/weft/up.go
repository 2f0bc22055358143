package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/gologshim"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/train/proctree"
)

// up is `weft up`.
type up struct{ bootstrap []string }

func newUp(e *env) *cobra.Command {
	c := &up{}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run the site's node until Ctrl-C",
		Long: `Run the site's node in the foreground until Ctrl-C or SIGTERM. It finds the other
sites through the addresses given here, those in config.yaml and those it has
learnt; one that answers is enough. A node that was killed goes on where it was.`,
		Example: `  weft up
  weft up --bootstrap /ip4/10.0.0.7/tcp/4801/p2p/12D3KooWA...`,
		Args: cobra.NoArgs,
		RunE: e.runs(c.run),
	}
	cmd.Flags().StringArrayVar(&c.bootstrap, "bootstrap", nil, "full `address` of another site, or several, as weft id --address prints them there; may be repeated")
	return cmd
}

// run runs the node until ctx ends, and logs what it does on standard error.
func (c *up) run(ctx context.Context, e *env, _ []string) error {
	h, err := site.Open(e.dir)
	if err != nil {
		return err
	}
	if err := c.addBootstrap(h.Config); err != nil {
		return err
	}
	log := newLogger(e.err, h.Config.Log)
	quietLibp2p(log)
	adopts, done := context.WithCancel(context.WithoutCancel(ctx)) // a trainer's processes end after ctx
	defer done()
	if err := proctree.Adopt(adopts); err != nil {
		log.Warn("what a trainer's processes leave behind is not waited for", "error", err)
	}
	n, err := node.New(h, node.Options{Log: log, Agent: "weft/" + version()})
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { log.Info("stopping; Ctrl-C again ends the node at once, and loses nothing either") })
	if err := runTold(ctx, n, &narrator{log: log, client: e.client()}); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	log.Info("stopped")
	return nil
}

// addBootstrap adds the command line's addresses to those of the configuration.
func (c *up) addBootstrap(config *config.Config) error {
	for _, addr := range strings.Fields(strings.Join(c.bootstrap, " ")) { // a file of addresses has a line for each
		if err := checkBootstrap(addr); err != nil {
			return err
		}
		if !slices.Contains(config.Bootstrap, addr) {
			config.Bootstrap = append(config.Bootstrap, addr)
		}
	}
	return nil
}

// runTold runs the node and tells what it does.
func runTold(ctx context.Context, n *node.Node, t *narrator) error {
	ctx, cancel := context.WithCancel(ctx)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer cancel() // with the node ends the telling
		return n.Run(ctx)
	})
	g.Go(func() error {
		select {
		case <-n.Ready():
			return t.run(ctx)
		case <-ctx.Done():
			return nil
		}
	})
	return g.Wait()
}

// newLogger returns a log that writes as the configuration says: lines for people, or JSON.
func newLogger(out *term.Out, c config.Log) *slog.Logger {
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.Level(c.Level)}))
	}
	return slog.New(plainOutput{term.NewLog(out, slog.Level(c.Level)), out, prefixedLine})
}

// libp2pLogEnv is how libp2p is asked to log by itself.
const libp2pLogEnv = "GOLOG_LOG_LEVEL"

// quietLibp2p lets what libp2p calls errors, most of which are other peers' or are told by weft too, into the log only
// where that has everything.
func quietLibp2p(log *slog.Logger) {
	if os.Getenv(libp2pLogEnv) == "" {
		gologshim.SetDefaultHandler(demoted{log.Handler()})
	}
}

// demoted makes debug messages of errors, and leaves out the rest.
type demoted struct{ slog.Handler }

func (d demoted) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelError && d.Handler.Enabled(ctx, slog.LevelDebug)
}

func (d demoted) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	return d.Handler.Handle(ctx, r)
}

func (d demoted) WithAttrs(attrs []slog.Attr) slog.Handler {
	return demoted{d.Handler.WithAttrs(attrs)}
}

func (d demoted) WithGroup(name string) slog.Handler { return demoted{d.Handler.WithGroup(name)} }

// checkBootstrap refuses what is not a site's full address.
func checkBootstrap(addr string) error {
	if _, err := config.CheckBootstrap(addr); err != nil {
		return advised(&failure{kind: errUsage, text: "--bootstrap: " + err.Error()}, "want a full address such as /ip4/10.0.0.7/tcp/4801/p2p/12D3KooW..., as weft status shows it at the other site")
	}
	return nil
}
