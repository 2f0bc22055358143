package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/train/builtin"
)

// siteOptions are what `weft init` writes into a new config.yaml instead of the defaults.
type siteOptions struct {
	name   string
	listen []string
	data   string
	accept string
}

func (a *app) initCmd() *cobra.Command {
	var o siteOptions
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make a directory a site: a key and a configuration",
		Long: `Make a directory a site: a private key, which is the site's identity and never
leaves the directory, and a config.yaml with every setting explained. Print the line
that whoever founds the mesh needs.`,
		Example: `  weft init --name hospital-a
  weft init --name hospital-a --listen /ip4/0.0.0.0/tcp/4801 --data letters.txt
  weft --dir ./a init --name hospital-a --accept auto`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if o.name == "" {
				host, err := os.Hostname()
				if err != nil {
					return usage("the site has no name: --name NAME")
				}
				o.name, _, _ = strings.Cut(host, ".")
			}
			text, err := o.configYAML()
			if err != nil {
				return err
			}
			id, err := site.Init(a.dir, o.name)
			if err != nil {
				return err
			}
			path := filepath.Join(a.dir, "config.yaml")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				return err
			}
			a.out.Printf("site directory  %s\n", a.dir)
			a.out.Printf("configuration   %s\n", path)
			a.out.Printf("peer ID         %s\n", id)
			if o.data == "" {
				a.out.Printf("trains on       %s, a sample; for your own text --data FILE, for your own script see config.yaml\n", builtin.DefaultData)
			}
			a.out.Printf("\n")
			a.out.Printf("Send this to whoever founds the mesh:\n\n  --site %s\n", strconv.Quote(o.name+"="+id.String()))
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.name, "name", "", "the site's name in the mesh; default the machine's")
	f.StringArrayVar(&o.listen, "listen", nil, "multiaddr to listen at, may be repeated; default "+strings.Join(config.DefaultListen(), " and "))
	f.StringVar(&o.data, "data", "", "text for the embedded trainer: a `file` or builtin:NAME; default "+builtin.DefaultData)
	f.StringVar(&o.accept, "accept", "", "take part in runs: auto, or ask (the default)")
	return cmd
}

// configYAML returns the commented config.yaml with the options in it.
func (o siteOptions) configYAML() (string, error) {
	text := config.DefaultYAML(o.name)
	def := config.Default(o.name)
	put := func(old, new string) {
		if !strings.Contains(text, "\n"+old) {
			panic("config.yaml's template has no " + old) // a test holds the two together
		}
		text = strings.Replace(text, "\n"+old, "\n"+new, 1)
	}
	if len(o.listen) > 0 {
		put(yamlList("listen", def.Listen), yamlList("listen", o.listen))
	}
	if o.data != "" {
		data := o.data
		if !strings.HasPrefix(data, "builtin:") {
			abs, err := filepath.Abs(data)
			if err != nil {
				return "", err
			}
			if _, err := os.Stat(abs); err != nil {
				return "", &failure{kind: errUsage, text: "--data", err: err, hint: "a text file, or builtin:shakespeare"}
			}
			data = abs
		}
		put("    data: "+builtin.DefaultData, "    data: "+strconv.Quote(data))
	}
	if o.accept != "" {
		put("accept: "+string(def.Accept.Policy), "accept: "+o.accept)
	}
	c, err := config.Parse("config.yaml", []byte(text))
	if err != nil {
		if errors.Is(err, config.ErrInvalid) {
			return "", &failure{kind: errUsage, text: "these flags make no valid configuration", err: err}
		}
		return "", err
	}
	if len(o.listen) > 0 && !slices.Equal(c.Listen, o.listen) {
		return "", usage("--listen: %q does not survive being written as YAML", o.listen)
	}
	return text, nil
}

// yamlList returns a field with a list as config.yaml has it.
func yamlList(field string, values []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:\n", field)
	for _, v := range values {
		fmt.Fprintf(&b, "  - %s\n", v)
	}
	return b.String()
}
