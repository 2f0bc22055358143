// Package netem emulates the network between real nodes on one machine: links as a scenario has them, late, at a
// limited rate, lossy, and cut when it says so. [Open] returns one of three test beds, the best that this machine
// allows:
//
//   - [Kernel]: a network namespace for each site (package netns), on one Ethernet; the kernel's htb, netem and tbf
//     make the links.
//   - [Userland]: a network namespace for each site; this process carries the packets (package shape).
//   - [Loopback]: every node on loopback. Each finds the others only at this process's proxies (package shape), one
//     for each ordered pair, and announces no address that leads around them. A lost packet becomes the wait for its
//     repetition, and what crashed is refused at once.
//
// Namespaces have no names and hold no files: they end with this process, and the nodes with them.
package netem
