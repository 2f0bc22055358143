// Package netns makes network namespaces that have no names: each is held by a thread of this process
// and by what runs in it, and the kernel removes it, with all its interfaces, when they are gone. So
// nothing of it can be left behind, whatever becomes of the process.
//
// It needs no tools and no configuration, but the right to make namespaces: root's, or that of a user
// namespace, as "unshare --user --map-root-user" gives.
package netns

import "errors"

// ErrUnavailable is returned where namespaces cannot be made; the text says why.
var ErrUnavailable = errors.New("no network namespaces here")
