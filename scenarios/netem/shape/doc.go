// Package shape carries traffic between sites as the links of a scenario would: late, one after another at a
// limited rate, sometimes not at all.
//
// A [Net] knows the links. Two carriers put real traffic on them:
//
//   - a [Hub] moves IP packets between devices, one for each site, such as the TUN interfaces of
//     network namespaces. A packet is lost, duplicated or cut off as on a wire, so TCP and QUIC do what they do
//     in the world.
//   - a [Proxy] moves the bytes of TCP connections over loopback, one for each ordered pair of sites, where
//     there are no namespaces. TCP repairs losses, so here one makes a stream wait for the time of the repair; while
//     a link is cut, its streams stand still and new ones do not get through.
//
// # The way of a packet
//
//	source's uplink -> the pair's link -> latency, jitter, loss -> destination's downlink
//
// Each of the links passes what comes in order, at its rate. The uplink makes the source wait, as a
// network card does; the others have a queue of queueTime and drop what comes when it is full. Jitter
// changes every jitterTime and never lets a packet overtake another of its pair: real jitter is queues, and TCP
// would take disorder for loss.
package shape
