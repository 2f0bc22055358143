package real

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/weft-mesh/weft/node"
)

// TestMain lets the test binary stand in for weft where it is started as a node: DIR's node by "--dir DIR up".
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "--dir" && os.Args[3] == "up" {
		if err := up(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func up(dir string) error {
	h, err := node.Open(dir)
	if err != nil {
		return err
	}
	n, err := node.New(h, node.Options{})
	if err != nil {
		return err
	}
	return n.Run(context.Background())
}
