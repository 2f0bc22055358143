// Command weft is a site of a mesh that trains models together, and all that its operator
// does with it: see docs/cli.md.
//
// Each subcommand is a file: NAME.go, or GROUP_NAME.go below a group. In it are a type with the
// command's flags, a function new... that describes the command to cobra, and a method run, which
// asks the site's node over the local API (package node) or opens the site's directory, and prints.
// What all commands need is in env.go; functions ...Text draw what a command found. No command
// holds a protocol of its own. The demo and the benchmark start nodes as processes of this same
// binary (package local).
package main
