// Package site is a site's directory: what lies where, and the steps to a directory that a node runs in.
//
// [Init] makes a key and a configuration, [Join] ties the site to a mesh, [Open] reads all and returns a
// [Home]. Errors name the file and say what to do. [Home.Lock] keeps a second node out.
package site
