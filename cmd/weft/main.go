package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// programEnv tells the scripts that a node starts which program it is: the Python package calls it.
const programEnv = "WEFT_PROGRAM"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt) }) // a second Ctrl-C ends the process at once
	if program, err := os.Executable(); err == nil {
		_ = os.Setenv(programEnv, program) // what fails is found by a script that needs it
	}
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
