package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/node"
)

func newRosterProtocol(e *env) *cobra.Command {
	var weft string
	cmd := newRosterChange(e, &cobra.Command{
		Use:   "protocol NUMBER --weft VERSION",
		Short: "Ask that the mesh goes by a newer protocol, or approve that it does",
		Long: `Ask that the mesh goes by a newer protocol, or approve that it does. From the next height on
every site needs the version of weft that brings it: a node that is older stops and says so.
Start that version at all sites first; weft peers shows what each of them runs.`,
		Example: `  weft roster protocol 2 --weft 1.4`,
		Args:    cobra.ExactArgs(1),
	}, func(arg string) (node.ChangeRequest, error) {
		number, err := strconv.ParseUint(arg, 10, 64)
		switch {
		case err != nil || number < 2:
			return node.ChangeRequest{}, usage("%q is no protocol number that a mesh could be raised to; the first is 1", arg)
		case weft == "":
			return node.ChangeRequest{}, usage("--weft names the version that brings the protocol, as every site must say the same")
		}
		return node.ChangeRequest{Protocol: number, Weft: weft}, nil
	})
	cmd.Flags().StringVar(&weft, "weft", "", "version of weft that brings the protocol")
	return cmd
}
