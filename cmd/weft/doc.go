// Command weft is a site of a mesh that trains models together, and all that its operator
// does with it: see docs/cli.md.
//
// Each subcommand is a file: NAME.go, or GROUP_NAME.go below a group. A command reads its
// flags, asks the site's node over the local API (package node) or opens the site's
// directory, and prints; it holds no protocol of its own. The demo and the benchmark start
// nodes as processes of this same binary (package local).
package main
