package main

import "github.com/spf13/cobra"

func (a *app) idCmd() *cobra.Command {
	var address bool
	cmd := &cobra.Command{
		Use:   "id",
		Short: "Print this site's name and peer ID, or its address",
		Long: `Print NAME=PEERID as ` + "`weft mesh create --site`" + ` takes it; with --address the full
addresses that ` + "`weft up --bootstrap`" + ` takes, one a line: the node's if it runs, else those
that config.yaml announces or listens at.`,
		Example: `  weft id > hospital-a.id
  weft id --address > hospital-a.addr`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			id, c, err := readSite(a.dir)
			if err != nil {
				return err
			}
			if !address {
				a.out.Printf("%s=%s\n", c.Name, id)
				return nil
			}
			if s, err := a.client().Status(cmd.Context()); err == nil {
				for _, addr := range s.Addrs {
					a.out.Println(addr)
				}
				return nil
			}
			addrs := c.Announce
			if len(addrs) == 0 {
				addrs = c.Listen
			}
			for _, addr := range addrs {
				a.out.Printf("%s/p2p/%s\n", addr, id)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&address, "address", false, "print the full addresses instead")
	return cmd
}
