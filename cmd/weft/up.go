package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/gologshim"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node"
)

func (a *app) upCmd() *cobra.Command {
	var bootstrap []string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run the site's node until Ctrl-C",
		Long: `Run the site's node in the foreground until Ctrl-C or SIGTERM. It finds the other
sites through the addresses given here, those in config.yaml and those it has
learnt; one that answers is enough. A node that was killed goes on where it was.`,
		Example: `  weft up
  weft up --bootstrap /ip4/10.0.0.7/tcp/4801/p2p/12D3KooWA...`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.up(cmd.Context(), bootstrap)
		},
	}
	cmd.Flags().StringArrayVar(&bootstrap, "bootstrap", nil, "full `address` of another site, or several, as weft id --address prints them there; may be repeated")
	return cmd
}

// up runs the node until ctx ends, and logs what it does on standard error.
func (a *app) up(ctx context.Context, bootstrap []string) error {
	h, err := node.Open(a.dir)
	if err != nil {
		return err
	}
	for _, addr := range strings.Fields(strings.Join(bootstrap, " ")) { // a file of addresses has a line for each
		if err := checkBootstrap(addr); err != nil {
			return err
		}
		if !slices.Contains(h.Config.Bootstrap, addr) {
			h.Config.Bootstrap = append(h.Config.Bootstrap, addr)
		}
	}
	log := a.logger(h.Config.Log)
	quietLibp2p(log)
	n, err := node.New(h, node.Options{Log: log, Agent: "weft/" + version()})
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { log.Info("stopping; Ctrl-C again ends the node at once, and loses nothing either") })
	ctx, cancel := context.WithCancel(ctx)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer cancel() // with the node ends the telling
		return n.Run(ctx)
	})
	g.Go(func() error {
		select {
		case <-n.Ready():
			return (&narrator{log: log, client: a.client()}).run(ctx)
		case <-ctx.Done():
			return nil
		}
	})
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	log.Info("stopped")
	return nil
}

// logger writes as the configuration says: lines for people, or JSON.
func (a *app) logger(c node.LogConfig) *slog.Logger {
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.Level(c.Level)}))
	}
	return slog.New(term.NewLog(a.err, slog.Level(c.Level)))
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
	if _, err := node.CheckBootstrap(addr); err != nil {
		return &failure{kind: errUsage, text: "--bootstrap: " + err.Error(), hint: "want a full address such as /ip4/10.0.0.7/tcp/4801/p2p/12D3KooW..., as weft status shows it at the other site"}
	}
	return nil
}

// release is the version of a binary that is built for release; the linker sets it.
var release string

// version is this binary's, as the build recorded it.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "devel"
	}
	return info.Main.Version
}
