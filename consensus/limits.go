package consensus

// Limits on what a peer can make an agreement remember.
const (
	MaxTold        = 8  // entries that one site may tell at a height, beside those that it proposes
	MaxViewsAhead  = 16 // views beyond the current one of which votes are kept
	MaxViewsBehind = 64 // views before the current one of which votes are kept
	MaxPast        = 4  // decided heights whose votes are kept: a seal and its commit may come within two heads
)
