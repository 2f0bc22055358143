// Package real plays a scenario with real nodes: a process of the weft binary for each site, links as the file
// has them, and its faults on its timeline ([Play]). What comes out is a recording like the simulator's.
//
// The nodes stand on one of three grounds, of which the best that this machine allows is taken:
//
//   - [Kernel]: a network namespace for each site, on one Ethernet; the kernel's htb, netem and tbf make the links.
//   - [Userland]: a network namespace for each site; this process carries the packets (package shape).
//   - [Loopback]: every node on loopback. Each finds the others only at this process's proxies, one for each
//     ordered pair, and announces no address that leads around them. A lost packet becomes the wait for its
//     repetition, and what crashed is refused at once.
//
// Namespaces have no names and hold no files: they end with this process, and the nodes with them. A run's
// folder in the temporary directory is locked while it lasts; the next run removes those that nobody holds.
//
// Some of what can be simulated cannot be done to a process ([Check]): lies, which a real node does not
// tell; other clocks; slower disks. A stalled disk stops its whole node.
package real
