package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

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
learnt; one that answers is enough. A node that was killed goes on where it was.
SIGHUP has it read config.yaml anew, for what may change while it runs: it ends nothing.`,
		Example: `  weft up
  weft up --bootstrap /ip4/10.0.0.7/tcp/4801/p2p/12D3KooWA...`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), e, args) }, // a hangup does not end it
	}
	cmd.Flags().StringArrayVar(&c.bootstrap, "bootstrap", nil, "full `address` of another site, or several, as weft id --address prints them there; may be repeated")
	return cmd
}

// run runs the node until ctx ends, and logs what it does on standard error.
func (c *up) run(ctx context.Context, e *env, _ []string) error {
	hangups := make(chan os.Signal, 1) // nobody else may take them: the process would end
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	h, err := site.Open(e.dir)
	if err != nil {
		return err
	}
	bootstrap, err := c.addresses()
	if err != nil {
		return err
	}
	level := &slog.LevelVar{}
	level.Set(h.Config.Log.Level.Slog())
	log := newLogger(e.err, h.Config.Log.Format, level)
	quietLibp2p(log)
	adopts, done := context.WithCancel(context.WithoutCancel(ctx)) // a trainer's processes end after ctx
	defer done()
	if err := proctree.Adopt(adopts); err != nil {
		log.Warn("what a trainer's processes leave behind is not waited for", "error", err)
	}
	n, err := node.New(h, node.Options{Log: log, Level: level, Bootstrap: bootstrap, Agent: "weft/" + version()})
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { log.Info("stopping; Ctrl-C again ends the node at once, and loses nothing either") })
	if err := runTold(ctx, n, &narrator{log: log, client: e.client()}, hangups); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	log.Info("stopped")
	return nil
}

// addresses returns the addresses of other sites that the command line gives.
func (c *up) addresses() (list []string, err error) {
	for _, addr := range strings.Fields(strings.Join(c.bootstrap, " ")) { // a file of addresses has a line for each
		if err := checkBootstrap(addr); err != nil {
			return nil, err
		}
		list = append(list, addr)
	}
	return list, nil
}

// runTold runs the node, tells what it does, and has it read its configuration anew at hangups.
func runTold(ctx context.Context, n *node.Node, t *narrator, hangups <-chan os.Signal) error {
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
	g.Go(func() error {
		select {
		case <-n.Ready():
			return reload(ctx, n, hangups)
		case <-ctx.Done():
			return nil
		}
	})
	return g.Wait()
}

// reload has the node read its configuration anew at each hangup, until ctx ends.
func reload(ctx context.Context, n *node.Node, hangups <-chan os.Signal) error {
	for {
		select {
		case <-hangups:
			n.Reload()
		case <-ctx.Done():
			return nil
		}
	}
}

// newLogger returns a log that writes from a level on as the configuration says: lines for people, or JSON.
func newLogger(out *term.Out, format string, level slog.Leveler) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(plainOutput{term.NewLog(out, level), out, prefixedLine})
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
