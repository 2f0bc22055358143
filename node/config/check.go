package config

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
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
	err := fmt.Errorf("%w: %w", ErrInvalid, f.Wrong(e.path, "%s", e.text))
	if e.hint != "" {
		return hint.Add(err, e.hint)
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

// CheckName returns an error for a name that no site can have.
func CheckName(name string) error {
	if e := (&Config{Name: name}).checkName(); e != nil {
		return hint.Add(fmt.Errorf("%w: name: %s", ErrInvalid, e.text), e.hint)
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

func (c *Config) checkRest() *fieldError {
	switch {
	case c.Cross.Measure && !c.Evaluate:
		return &fieldError{"cross_evaluate.measure", "the trainer of this site measures nothing: evaluate is false", "evaluate: true; or leave measure out"}
	case c.KeepModels < 1:
		return &fieldError{"keep_models", fmt.Sprintf("%d: at least the newest model is kept", c.KeepModels), ""}
	case !validAddress(c.Metrics):
		return &fieldError{"metrics", fmt.Sprintf("%q is no TCP address", c.Metrics), "HOST:PORT, such as 127.0.0.1:9464; whoever reaches it can read the metrics"}
	case !slices.Contains([]string{"text", "json"}, c.Log.Format):
		return &fieldError{"log.format", fmt.Sprintf("%q, want text or json", c.Log.Format), ""}
	}
	for _, k := range slices.Sorted(maps.Keys(c.Train)) {
		if v := c.Train[k]; len(k) == 0 || len(k) > 1024 || len(v) > 1024 {
			return &fieldError{"train", fmt.Sprintf("%.40q: name and value may have 1024 bytes each", k), ""}
		}
		if err := c.Trainer.Override(k); err != nil {
			text, advice := hint.Split(err)
			return &fieldError{"train." + k, text, advice}
		}
	}
	return nil
}

// validAddress reports whether a program can listen at host:port; nothing is an address nowhere.
func validAddress(s string) bool {
	if s == "" {
		return true
	}
	_, port, err := net.SplitHostPort(s)
	n, noNumber := strconv.ParseUint(port, 10, 16)
	return err == nil && noNumber == nil && strconv.FormatUint(n, 10) == port
}
