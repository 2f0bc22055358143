// Gotest runs go test with its arguments, prints what that would, and in the end which tests were skipped, and why.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

func main() {
	cmd := exec.Command("go", append([]string{"test", "-json"}, os.Args[1:]...)...)
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s := newSummary(os.Stdout)
	read := s.read(events)
	err = cmd.Wait()
	s.end()
	if failed := new(exec.ExitError); errors.As(err, &failed) && read == nil {
		os.Exit(failed.ExitCode())
	}
	if err := errors.Join(read, err); err != nil {
		fmt.Fprintln(os.Stderr, "go test:", err)
		os.Exit(1)
	}
}
