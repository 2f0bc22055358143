// Package gossip carries small messages between the sites of one mesh.
//
// Words: a site is a member of the mesh's roster, known by its peer ID; a message is opaque bytes,
// signed by its author where that matters, which is the node's business; the relayer is the site
// from which a published message came here, seldom its author.
//
// [Mesh.Publish] brings a message to every site, each once.
// [Mesh.Send] brings one to a single site, in order. Both are best effort: messages are lost when connections
// break and queues fill up, so whatever matters must be said again. The [Handler] judges what
// arrives: what it accepts is relayed, what it rejects is counted against whoever brought it, and
// who brings too much of it is cut off for a while.
//
// # Over libp2p
//
// [NewHost] makes the host, which all protocols of a site share; [New] joins the mesh on it and
// [Mesh.Run] looks after the connections:
//
//	key, err := gossip.LoadOrCreateKey("site.key")
//	host, err := gossip.NewHost(gossip.HostConfig{Key: key, Listen: addrs, Roster: inRoster})
//	mesh, err := gossip.New(gossip.Config{Host: host, Mesh: cid, Sites: sites, Bootstrap: first, Handler: handle})
//	err = mesh.Run(ctx)
//
// Roster and Sites are asked all the time, from many goroutines: they must be quick, must not call
// back, and tell of a change by [Mesh.RosterChanged]. Roster says who may connect, Sites whom to
// seek; who is in the first only (an observer) is let in and not sought.
//
// The protocols, each with its version in its name, where <mesh> is the CID of the genesis document:
//
//   - gossipsub 1.1 to 1.3 on the topic /weft/<mesh>/round/1. Nothing is signed or numbered by
//     libp2p, and a message's ID is the BLAKE3-256 hash of its bytes: equal bytes are one message
//     for two minutes. An author sends to all its neighbours, relayers to about six, or three where all
//     are connected with all.
//   - /weft/<mesh>/direct/1: one long-lived stream per direction and pair. Frames follow each other: length
//     as unsigned varint in its shortest form, 1 to [MaxMessage], then the bytes. Nothing is answered.
//   - /weft/peers/1: the opener writes frames of at most 8 KiB, each a signed peer record (libp2p RFC
//     0003), and closes; the other side reads to the end and closes.
//
// # How sites find each other
//
// A site tells every peer it connects with the newest address record of each site it knows, and what is
// new after that. Records are signed by the site they are about, so it does not matter who
// passes them on. Whose address is known is dialed, again and again with growing waits, until the
// site has Degree connections; in a mesh no larger than that all connect to all. So one
// address of one site that is up is enough to find the others, and with an address file, none.
//
// # What protects a site
//
// Strangers are cut off when the handshake has shown their key, and never dialed. Every length,
// queue, stream count and rate has a limit (limits.go, resources.go). Who sends what is not of these
// protocols, or what the handler rejects, is named in the log, counted in [PeerInfo] and, past some
// sixteen such things, refused for 30 seconds, then for longer.
//
// Lock order: links, then seeker, records and watchers; records, then book; lane and watchers,
// then life.
package gossip
