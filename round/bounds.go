package round

// Limits on what a peer can make a machine remember or send. Every decoder checks those of messages.
const (
	maxMessage     = 1 << 20 // bytes of an encoded message
	maxCertified   = 64      // certified entries in a message
	maxTold        = 8       // entries that one site may tell at a height, beside what it proposes
	maxSought      = 32      // models that are fetched for runs which one site asks for
	maxShown       = 16      // changes in a head: those that most sites approve of
	maxViewsAhead  = 16      // views beyond one's own of which votes are kept
	maxViewsBehind = 64      // views before one's own of which votes are kept
	maxPast        = 4       // decided heights whose votes are kept: a seal and its commit may come within two heads
	maxEarly       = 8       // messages kept for the next height, times the sites
)
