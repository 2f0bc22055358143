package real

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/weft-mesh/weft/node"
	"github.com/weft-mesh/weft/node/site"
)

// TestMain lets the test binary stand in for weft where it is started as a node: DIR's node by "--dir DIR up". Otherwise it runs the
// tests, in which no run may leave anything in the folder of temporary files.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "--dir" && os.Args[3] == "up" {
		if err := up(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runTests(m *testing.M) (code int, err error) {
	// These tests mostly wait for nodes; -parallel says otherwise.
	if err := flag.Set("test.parallel", "6"); err != nil {
		return 0, err
	}
	python, err := filepath.Abs("../../../python")
	if err != nil {
		return 0, err
	}
	temp, err := os.MkdirTemp("", "weft-") // short: its paths leave room for that of a Unix socket
	if err != nil {
		return 0, err
	}
	for name, value := range map[string]string{"TMPDIR": temp, "PYTHONPATH": python, "PYTHONDONTWRITEBYTECODE": "1"} {
		if err := os.Setenv(name, value); err != nil {
			return 0, err
		}
	}
	if code = m.Run(); code != 0 {
		return code, nil // what failed says what it leaves there
	}
	left, err := filepath.Glob(filepath.Join(temp, "*"))
	if len(left) > 0 {
		err = errors.Join(err, fmt.Errorf("left behind: %v", left))
	}
	return code, errors.Join(err, os.RemoveAll(temp))
}

func up(dir string) error {
	h, err := site.Open(dir)
	if err != nil {
		return err
	}
	n, err := node.New(h, node.Options{})
	if err != nil {
		return err
	}
	return n.Run(context.Background())
}
