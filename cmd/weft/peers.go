package main

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node"
)

// peers is `weft peers`.
type peers struct{}

func newPeers(e *env) *cobra.Command {
	c := &peers{}
	cmd := &cobra.Command{
		Use:   "peers",
		Short: "Show the mesh's other sites: connected or not, traffic, addresses",
		Example: `  weft peers
  weft peers --json`,
		Args: cobra.NoArgs,
		RunE: e.runs(c.run),
	}
	e.jsonFlag(cmd)
	return cmd
}

func (c *peers) run(ctx context.Context, e *env, _ []string) error {
	list, err := e.client().Peers(ctx)
	if err != nil {
		return err
	}
	if e.json {
		return e.printJSON(list)
	}
	e.out.Printf("%s", peersText(e.out, list))
	return nil
}

// peersText is a table of the other sites, and why some are away.
func peersText(out *term.Out, list []node.Peer) string {
	if len(list) == 0 {
		return "this site is alone in its mesh\n"
	}
	t := term.NewTable(term.Column{Name: "site", Shrink: true}, term.Column{Name: "state"}, term.Column{Name: "rtt", Right: true},
		term.Column{Name: "sent", Right: true}, term.Column{Name: "received", Right: true}, term.Column{Name: "refused", Right: true},
		term.Column{Name: "weft", Shrink: true}, term.Column{Name: "address", Shrink: true})
	var failures strings.Builder
	for _, p := range list {
		state, rtt, addr := out.Bad("away"), "-", ""
		if p.Connected {
			state = out.Good("connected")
		}
		if p.RTT > 0 {
			rtt = p.RTT.Round(100 * time.Microsecond).String()
		}
		if len(p.Addrs) > 0 {
			addr = p.Addrs[0]
		}
		t.Row(p.Site, state, rtt, term.Bytes(p.Sent), term.Bytes(p.Received), strconv.Itoa(p.Rejected), p.Weft, addr)
		if p.Failure != "" {
			failures.WriteString(p.Site + ": " + p.Failure + "\n")
		}
	}
	return t.Text(out.Columns(), out.Dim) + failures.String()
}
