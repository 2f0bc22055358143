package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/gossip"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/site"
)

// mesh looks at the site's place in its mesh: by its node, or by its directory and by dialing the other sites if that does not run.
func (c *Config) mesh(ctx context.Context, h *site.Home, tell func(Finding)) {
	st, err := c.Node.Status(ctx)
	switch {
	case err == nil:
		c.running(ctx, st, tell)
	case errors.Is(err, api.ErrNotRunning):
		tell(Finding{Check: "node", Level: Good, Text: "does not run; start it with weft up"})
		c.resting(ctx, h, tell)
	default:
		tell(failed("node", err))
	}
}

// running looks at what the node says of itself and of the others.
func (c *Config) running(ctx context.Context, st *api.Status, tell func(Finding)) {
	if st.Problem != "" {
		tell(Finding{"node", Failure, st.Problem, st.Hint})
	} else {
		tell(Finding{Check: "node", Level: Good, Text: fmt.Sprintf("runs, up %s", term.Duration(st.Uptime))})
	}
	tell(protocol(st))
	peers, err := c.Node.Peers(ctx)
	if err != nil {
		tell(failed("sites", err))
		return
	}
	up := 1
	for _, p := range peers {
		if p.Connected {
			up++
			continue
		}
		tell(Finding{"sites", Warning, p.Site + " is away" + because(p.Failure), "weft status --watch; is its node up, and its address right?"})
	}
	tell(quorum(up, st))
}

// resting looks at the ledger in the directory and dials the other sites.
func (c *Config) resting(ctx context.Context, h *site.Home, tell func(Finding)) {
	a, err := archive.Open(h.Dir)
	if err != nil {
		tell(failed("ledger", err))
		return
	}
	st, err := a.Status(ctx)
	if err != nil {
		tell(failed("ledger", err))
		return
	}
	tell(protocol(st))
	roster, err := a.Roster(ctx)
	if err != nil {
		tell(failed("ledger", err))
		return
	}
	names := map[peer.ID]string{}
	for _, s := range roster.Sites {
		names[s.ID] = s.Name
	}
	if _, member := names[h.ID]; !member {
		tell(Finding{"roster", Warning, "this site is not in the roster that its ledger has", "a member adds it: weft roster add; the node follows the mesh until then"})
	}
	probed, err := c.dial(ctx, h, func(p peer.ID) bool { return names[p] != "" })
	if err != nil {
		tell(failed("listen", err))
		return
	}
	tell(Finding{Check: "listen", Level: Good, Text: strings.Join(h.Config.Listen, ", ")})
	up := 1
	for _, p := range probed {
		name := names[p.ID]
		delete(names, p.ID)
		if p.Failure != "" {
			tell(Finding{"sites", Warning, name + " cannot be reached" + because(p.Failure), "is its node up, and bootstrap in config.yaml right?"})
			continue
		}
		up++
		tell(Finding{Check: "sites", Level: Good, Text: fmt.Sprintf("%s answers in %s (%s)", name, term.Duration(p.RTT), p.Program)})
	}
	delete(names, h.ID)
	for _, name := range slices.Sorted(maps.Values(names)) {
		tell(Finding{"sites", Warning, "no address of " + name + " is known here", "bootstrap in config.yaml, or weft up --bootstrap; another site that answers tells of it too"})
	}
	tell(quorum(up, st))
}

// dial listens where the site listens and dials all whose addresses it knows.
func (c *Config) dial(ctx context.Context, h *site.Home, member func(peer.ID) bool) ([]gossip.Probed, error) {
	hc := gossip.HostConfig{Key: h.Key, Roster: member, Agent: c.Agent}
	for _, s := range h.Config.Listen {
		a, err := multiaddr.NewMultiaddr(s)
		if err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		hc.Listen = append(hc.Listen, a)
	}
	var given []peer.AddrInfo
	for _, s := range h.Config.Bootstrap {
		info, err := config.CheckBootstrap(s)
		if err != nil {
			return nil, fmt.Errorf("bootstrap: %w", err)
		}
		given = append(given, info)
	}
	return gossip.Probe(ctx, hc, h.Path(site.AddressFile), given)
}

// protocol says whether this program knows the protocol in force.
func protocol(st *api.Status) Finding {
	if st.Protocol > st.Newest {
		return Finding{"protocol", Failure, fmt.Sprintf("%d is in force, this program knows %d", st.Protocol, st.Newest), "install a newer weft"}
	}
	return Finding{Check: "protocol", Level: Good, Text: fmt.Sprintf("%d is in force, this program knows %d", st.Protocol, st.Newest)}
}

// quorum says whether enough sites can be reached for the mesh to go on.
func quorum(up int, st *api.Status) Finding {
	f := Finding{Check: "quorum", Level: Good, Text: fmt.Sprintf("%d of %d sites up, a quorum is %d", up, st.Sites, st.Quorum)}
	if up < st.Quorum {
		f.Level, f.Hint = Failure, "rounds wait until enough sites are up and connected"
	}
	return f
}

// because is why, if that is known.
func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}
