// Package siege attacks real sites with a member's key, to measure what the others lose by it.
//
// A [Besieger] is a libp2p host that has the key of one of a mesh's sites and sends what it likes: raw messages, over streams and
// gossip of its own. The [Attacks] are what it sends. A [Camp] is four honest sites, each a process of the weft binary, and the
// besieger's place beside them in the roster.
//
// What is measured is what an attack takes from the honest beyond the processor that it uses up on the same machine: the rounds
// of a second under attack, over the rounds of a second beside a process that burns as much processor time as the besieger took.
// No node's binary links this package.
package siege
