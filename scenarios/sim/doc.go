// Package sim is a deterministic simulator of a mesh: unmodified [round.Machine]s, one a site, in
// virtual time, with the faults of the world around them.
//
// A [World] is one mesh. It has one event queue and one seed; the same [Config] gives the same
// trace, byte for byte. What a site's machine asks for is done as package node does it: records
// become durable after a disk's sync and only then is anything sent, so that a crash cuts the log at
// any record that was not durable yet; messages take their link's latency and are lost, doubled and
// overtaken; artifacts take the time that their bytes need on the two sites' links; clocks drift.
//
// [Fault]s happen at their times, by the plan in Config; [Act]s are what operators do. An
// [Adversary] stands between a site's machine and the world and lies. With Config.Check the promises
// of the protocol are held after every event: [World.Run] returns a [*Violation] that says which was
// broken, when and where.
//
// What training, artifacts and reducing are is the [Workload]'s: [Synthetic] pretends, package
// scenarios/learn really trains.
package sim
