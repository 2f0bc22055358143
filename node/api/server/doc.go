// Package server answers the local API of a site's node: HTTP and JSON on a Unix socket, which only the
// site's operator can open. Package api has the calls and their types.
package server
