package node

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/train/builtin/corpus"
	"github.com/weft-mesh/weft/yamlfile"
)

// fieldError is a value that is well formed but wrong.
type fieldError struct {
	path string // such as listen[1]
	text string
	hint string
}

// in is the error as one of the file.
func (e *fieldError) in(f *yamlfile.File) error {
	err := fmt.Errorf("%w: %w", ErrConfig, f.Wrong(e.path, "%s", e.text))
	if e.hint != "" {
		return hint(err, e.hint)
	}
	return err
}

func (c *Config) checkName() *fieldError {
	if !ledger.ValidName(c.Name) || strings.ContainsAny(c.Name, "=,") {
		return &fieldError{"name", fmt.Sprintf("%q, want 1 to 64 bytes of printable text without = and comma", c.Name), "the site's name in the roster, such as: name: hospital-north"}
	}
	return nil
}

func (c *Config) checkAddrs() *fieldError {
	if len(c.Listen) == 0 {
		return &fieldError{"listen", "the site listens nowhere", "remove the field for the default " + DefaultListen()[0]}
	}
	for _, list := range []struct {
		name  string
		addrs []string
		peer  bool
	}{{"listen", c.Listen, false}, {"announce", c.Announce, false}, {"bootstrap", c.Bootstrap, true}} {
		for i, s := range list.addrs {
			at := fmt.Sprintf("%s[%d]", list.name, i)
			if list.peer {
				if _, err := CheckBootstrap(s); err != nil {
					return &fieldError{at, err.Error(), "weft status prints a site's full addresses"}
				}
			} else if _, err := multiaddr.NewMultiaddr(s); err != nil {
				return &fieldError{at, fmt.Sprintf("%q is not a multiaddr: %v", s, err), "such as /ip4/10.0.0.7/tcp/4801"}
			}
		}
	}
	return nil
}

// CheckBootstrap reads a site's full address, such as /ip4/10.0.0.7/tcp/4801/p2p/12D3KooW....
func CheckBootstrap(s string) (peer.AddrInfo, error) {
	at, id, found := strings.Cut(s, "/p2p/")
	if !found {
		return peer.AddrInfo{}, fmt.Errorf("%q does not end in /p2p/PEER-ID", s)
	}
	if _, err := peer.Decode(id); err != nil {
		return peer.AddrInfo{}, fmt.Errorf("%q: %q is no peer ID", s, id)
	}
	if _, err := multiaddr.NewMultiaddr(at); err != nil {
		return peer.AddrInfo{}, fmt.Errorf("%q: %q is no address: %w", s, at, err)
	}
	info, err := peer.AddrInfoFromString(s)
	if err != nil {
		return peer.AddrInfo{}, fmt.Errorf("%q is no full address: %w", s, err)
	}
	return *info, nil
}

func (t *TrainerConfig) check() *fieldError {
	set := 0
	for _, is := range []bool{t.Builtin != nil, t.Exec != nil, t.Synthetic != nil} {
		if is {
			set++
		}
	}
	switch {
	case set == 0:
		return &fieldError{"trainer", "none chosen", "one of builtin, exec and synthetic; trainer: {exec: [python3, train.py]} runs your own script"}
	case set > 1:
		return &fieldError{"trainer", "more than one chosen", "keep one of builtin, exec and synthetic"}
	case t.Builtin != nil && t.Builtin.Data == "":
		return &fieldError{"trainer.builtin.data", "missing", "the path of a text file, or builtin:shakespeare"}
	case t.Exec != nil && (len(t.Exec) == 0 || t.Exec[0] == ""):
		return &fieldError{"trainer.exec", "the command is empty", "such as exec: [python3, train.py]"}
	case t.Exec == nil && (t.Dir != "" || len(t.Env) > 0):
		return &fieldError{"trainer", "dir and env are for exec only", ""}
	}
	if t.Builtin != nil && strings.HasPrefix(t.Builtin.Data, corpus.Prefix) {
		if _, err := corpus.Parse(t.Builtin.Data); err != nil {
			return &fieldError{"trainer.builtin.data", err.Error(), ""}
		}
	}
	for i, v := range t.Env {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" {
			return &fieldError{fmt.Sprintf("trainer.env[%d]", i), fmt.Sprintf("%q is not NAME=value", v), ""}
		}
	}
	return t.Synthetic.check()
}

func (s *SyntheticConfig) check() *fieldError {
	if s == nil {
		return nil
	}
	if s.Bytes == 0 {
		s.Bytes = defaultSynthetic
	}
	if s.Time > yamlfile.Duration(24*time.Hour) {
		return &fieldError{"trainer.synthetic.time", fmt.Sprintf("%s is more than a day", time.Duration(s.Time)), ""}
	}
	return nil
}

func (c *Config) checkRest() *fieldError {
	switch {
	case c.KeepModels < 1:
		return &fieldError{"keep_models", fmt.Sprintf("%d: at least the newest model is kept", c.KeepModels), ""}
	case !slices.Contains([]string{"text", "json"}, c.Log.Format):
		return &fieldError{"log.format", fmt.Sprintf("%q, want text or json", c.Log.Format), ""}
	}
	for _, k := range slices.Sorted(maps.Keys(c.Train)) {
		switch v := c.Train[k]; {
		case len(k) == 0 || len(k) > 1024 || len(v) > 1024:
			return &fieldError{"train", fmt.Sprintf("%.40q: name and value may have 1024 bytes each", k), ""}
		case c.Trainer.Builtin != nil && !slices.Contains(builtinOverrides, k):
			return &fieldError{"train." + k, "a site may not choose this for itself: it decides what the sites train together",
				"a site may set " + strings.Join(builtinOverrides, ", ")}
		}
	}
	return nil
}
