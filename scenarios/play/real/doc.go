// Package real plays a scenario with real nodes: a process of the weft binary for each site, links as the file
// has them, and its faults on its timeline ([Play]). What comes out is a recording like the simulator's. The nodes
// stand on the best test bed of package netem that this machine allows.
//
// A run's folder in the temporary directory is locked while it lasts; the next run removes those that nobody holds.
//
// Some of what can be simulated cannot be done to a process ([Check]): lies, which a real node does not
// tell; other clocks; slower disks. A stalled disk stops its whole node.
package real
