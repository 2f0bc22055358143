package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(cleaned{m}, map[string]func(){"weft": main})
}

// cleaned removes the binary after the tests.
type cleaned struct{ m *testing.M }

func (c cleaned) Run() int {
	code := c.m.Run()
	if binary.dir != "" {
		_ = os.RemoveAll(binary.dir)
	}
	return code
}

var binary struct {
	once sync.Once
	dir  string
	out  []byte
	err  error
}

// weftBinary returns the path of the program, built once.
func weftBinary(t *testing.T) string {
	t.Helper()
	binary.once.Do(func() {
		if binary.dir, binary.err = os.MkdirTemp("", "weft-test-"); binary.err == nil {
			binary.out, binary.err = exec.Command("go", "build", "-o", filepath.Join(binary.dir, "weft"), ".").CombinedOutput()
		}
	})
	if binary.err != nil {
		t.Fatalf("build weft: %v\n%s", binary.err, binary.out)
	}
	return filepath.Join(binary.dir, "weft")
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true, UpdateScripts: os.Getenv("UPDATE") != "",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": exitsWith, "await": await},
		Setup: func(env *testscript.Env) error { // for trainers in Python
			sources, err := filepath.Abs("../../python")
			env.Setenv("PYTHONPATH", sources)
			env.Setenv("PYTHONDONTWRITEBYTECODE", "1")
			return err
		},
	})
}

// exitsWith is "code N COMMAND ARG...": the command ends with exit code N.
func exitsWith(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND ARG...")
	}
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// await is "await TEXT COMMAND ARG...": the command is repeated until it succeeds and prints TEXT.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await TEXT COMMAND ARG...")
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ts.Exec(args[1], args[2:]...) == nil && strings.Contains(ts.ReadFile("stdout"), args[0]) {
			return
		}
	}
	ts.Fatalf("%q does not come", args[0])
}
