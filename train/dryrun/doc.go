// Package dryrun has a site's trainer train without a mesh, as its node would: [New] makes it and takes in a
// model, each [Run.Round] gives it a task and takes over its update, or refuses it with the node's words.
package dryrun
