package main

import (
	"context"
	"encoding/json"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/api"
)

// dirEnv is the environment variable that names the site's directory.
const dirEnv = "WEFT_DIR"

// env is what every command works with: the flags that all have, where to write, and the site's node.
type env struct {
	dir  string // the site's directory
	json bool   // write JSON, for machines
	out  *term.Out
	err  *term.Out
	node *api.Client
}

// runs makes cobra's RunE of a command's run, which ends with its terminal.
func (e *env) runs(run func(ctx context.Context, e *env, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		if !signal.Ignored(syscall.SIGHUP) { // by nohup
			var stop context.CancelFunc
			ctx, stop = signal.NotifyContext(ctx, syscall.SIGHUP)
			defer stop()
		}
		return run(ctx, e, args)
	}
}

// jsonFlag gives a reading command --json.
func (e *env) jsonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&e.json, "json", false, "write JSON, for machines")
}

// printJSON writes v as indented JSON. What could command a terminal is escaped.
func (e *env) printJSON(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	e.out.Println(term.PlainJSON(b))
	return nil
}

// client returns the local API of the site's node.
func (e *env) client() *api.Client {
	if e.node == nil {
		e.node = api.Dial(e.dir)
	}
	return e.node
}

func defaultDir() string {
	if dir := os.Getenv(dirEnv); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return homeless
	}
	return filepath.Join(home, ".weft")
}

// homeless is the site's directory where nobody has said which, and there is no home: it is whatever folder a command was started in,
// so that none is made there.
const homeless = ".weft"
