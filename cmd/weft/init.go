package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/train/builtin"
	"github.com/weft-mesh/weft/yamlfile"
)

// initSite is `weft init`: what it writes into a new config.yaml instead of the defaults.
type initSite struct {
	name   string
	listen []string
	data   string
	exec   string
	accept string

	attach   bool
	evaluate bool
}

func newInit(e *env) *cobra.Command {
	c := &initSite{}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make a directory a site: a key and a configuration",
		Long: `Make a directory a site: a private key, which is the site's identity and never
leaves the directory, and a config.yaml with every setting explained. Print the line
that whoever founds the mesh needs.`,
		Example: `  weft init --name hospital-a
  weft init --name hospital-a --exec "python3 train.py" --evaluate
  weft init --name hospital-a --listen /ip4/0.0.0.0/tcp/4801 --data letters.txt
  weft --dir ./a init --name hospital-a --accept auto`,
		Args: cobra.NoArgs,
		RunE: e.runs(c.run),
	}
	f := cmd.Flags()
	f.StringVar(&c.name, "name", "", "the site's name in the mesh; default the machine's")
	f.StringArrayVar(&c.listen, "listen", nil, "multiaddr to listen at, may be repeated; default "+strings.Join(config.DefaultListen(), " and "))
	f.StringVar(&c.data, "data", "", "text for the embedded trainer: a `file` or builtin:NAME; default "+builtin.DefaultData)
	f.StringVar(&c.exec, "exec", "", "train by this `command`, which runs in the working directory")
	f.BoolVar(&c.evaluate, "evaluate", false, "have the trainer measure each model before it trains from it")
	f.BoolVar(&c.attach, "attach", false, "train by a script that you start yourself, in a notebook or by a scheduler: weft.init(node=DIR)")
	cmd.MarkFlagsMutuallyExclusive("data", "exec", "attach")
	f.StringVar(&c.accept, "accept", "", "take part in runs: auto, or ask (the default)")
	return cmd
}

func (c *initSite) run(_ context.Context, e *env, _ []string) error {
	if c.name == "" {
		host, err := os.Hostname()
		if err != nil {
			return usage("the site has no name: --name NAME")
		}
		c.name, _, _ = strings.Cut(host, ".")
	}
	text, err := c.configYAML()
	if err != nil {
		return err
	}
	if e.dir == homeless {
		return usage("there is no home directory to put the site in: --dir DIR, or $%s", dirEnv)
	}
	id, err := site.InitConfig(e.dir, text)
	if err != nil {
		return err
	}
	e.out.Printf("site directory  %s\n", e.dir)
	e.out.Printf("configuration   %s\n", filepath.Join(e.dir, "config.yaml"))
	e.out.Printf("peer ID         %s\n", id)
	switch {
	case c.attach:
		e.out.Printf("trains by       the script that says weft.init(node=%q)\n", e.dir)
	case c.exec != "":
		e.out.Printf("trains by       %s\n", c.exec)
	case c.data == "":
		e.out.Printf("trains on       %s, a sample; for your own text --data FILE, for your own script --exec COMMAND\n", builtin.DefaultData)
	}
	e.out.Printf("\n")
	e.out.Printf("Send this to whoever founds the mesh:\n\n  --site %s\n", hint.Shell(c.name+"="+id.String()))
	return nil
}

// configYAML returns the commented config.yaml with what the flags say in it.
func (c *initSite) configYAML() (string, error) {
	tree, err := yamlfile.ParseTree(config.DefaultYAML(c.name))
	if err != nil {
		return "", err
	}
	if err := c.edit(tree); err != nil {
		return "", err
	}
	text := tree.String()
	if _, err := config.Parse("config.yaml", []byte(text)); errors.Is(err, config.ErrInvalid) {
		return "", &failure{kind: errUsage, text: "these flags make no valid configuration", err: err}
	} else if err != nil {
		return "", err
	}
	return text, nil
}

// edit sets what the flags say.
func (c *initSite) edit(tree *yamlfile.Tree) error {
	if len(c.listen) > 0 {
		if err := tree.SetList("listen", c.listen); err != nil {
			return err
		}
	}
	if c.accept != "" {
		if err := tree.Set("accept", c.accept); err != nil {
			return err
		}
	}
	if c.evaluate {
		if err := tree.SetValue("evaluate", true); err != nil {
			return err
		}
	}
	switch {
	case c.attach:
		return tree.SetValue("trainer", map[string]bool{"attach": true})
	case c.exec != "":
		return c.editExec(tree)
	}
	if c.data == "" {
		return nil
	}
	data, err := c.dataPath()
	if err != nil {
		return err
	}
	return tree.Set("trainer.builtin.data", data)
}

// editExec has the site train by a command, in this folder.
func (c *initSite) editExec(tree *yamlfile.Tree) error {
	if strings.ContainsAny(c.exec, "\"'\\") {
		return usage("--exec %s: no shell reads the command; write arguments with blanks into trainer.exec of config.yaml", c.exec)
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	t, err := train.NewExec(train.ExecConfig{Command: strings.Fields(c.exec), Dir: dir}) // which starts nothing
	if err != nil {
		return hinted(errUsage, err, "")
	}
	if err := t.Close(); err != nil {
		return err
	}
	return tree.SetValue("trainer", struct {
		Exec []string `yaml:"exec"`
		Dir  string   `yaml:"dir"`
	}{strings.Fields(c.exec), dir})
}

// dataPath returns the text to train on as the configuration has it: a file by its full path.
func (c *initSite) dataPath() (string, error) {
	if strings.HasPrefix(c.data, "builtin:") {
		return c.data, nil
	}
	path, err := filepath.Abs(c.data)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", advised(&failure{kind: errUsage, text: "--data", err: err}, "a text file, or builtin:shakespeare")
	}
	return path, nil
}
