package main

import (
	"errors"
	"os"

	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
)

// write compiles what was emitted and writes the assembly and the Go declarations
// into the current folder.
func (g *gen) write() error {
	f, err := g.Result()
	if err != nil {
		return err
	}
	if err := pass.Compile.Execute(f); err != nil {
		return err
	}
	cfg := printer.Config{Name: "asm", Argv: []string{"go", "generate"}, Pkg: "kernel"}
	asm, errAsm := printer.NewGoAsm(cfg).Print(f)
	stubs, errStubs := printer.NewStubs(cfg).Print(f)
	if err := errors.Join(errAsm, errStubs); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile("kernel_amd64.s", asm, 0o644),
		os.WriteFile("kernel_amd64.go", stubs, 0o644))
}
