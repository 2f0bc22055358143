package main

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/term"
)

func (a *app) peersCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "peers",
		Short: "Show the mesh's other sites: connected or not, traffic, addresses",
		Example: `  weft peers
  weft peers --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			peers, err := a.client().Peers(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(peers)
			}
			t := term.NewTable(term.Column{Name: "site", Shrink: true}, term.Column{Name: "state"}, term.Column{Name: "rtt", Right: true},
				term.Column{Name: "sent", Right: true}, term.Column{Name: "received", Right: true}, term.Column{Name: "refused", Right: true}, term.Column{Name: "weft", Shrink: true},
				term.Column{Name: "address", Shrink: true})
			for _, p := range peers {
				state, rtt, addr := a.out.Bad("away"), "-", ""
				if p.Connected {
					state = a.out.Good("connected")
				}
				if p.RTT > 0 {
					rtt = p.RTT.Round(100 * time.Microsecond).String()
				}
				if len(p.Addrs) > 0 {
					addr = p.Addrs[0]
				}
				t.Row(p.Site, state, rtt, term.Bytes(p.Sent), term.Bytes(p.Received), strconv.Itoa(p.Rejected), p.Weft, addr)
			}
			if t.Len() == 0 {
				a.out.Println("this site is alone in its mesh")
				return nil
			}
			a.out.Printf("%s", t.Text(a.out.Columns(), a.out.Dim))
			for _, p := range peers {
				if p.Failure != "" {
					a.out.Printf("%s: %s\n", p.Site, p.Failure)
				}
			}
			return nil
		},
	}
	a.jsonFlag(cmd)
	return cmd
}
