package round

// Limits on what a peer can make a site read or remember. Every decoder checks them.
const (
	maxName        = 64      // bytes of a name of a mesh, site or run
	maxReason      = 256     // bytes of free text in an entry
	maxSites       = 1024    // sites of a roster
	maxRounds      = 1 << 20 // rounds of a run
	maxRuns        = 16      // runs open at one time
	maxMetrics     = 16      // metrics of an update
	maxTrain       = 64      // hyperparameters of a run
	maxTrainValue  = 1024    // bytes of a hyperparameter's name or value
	maxSamples     = 1 << 40 // samples of an update
	maxEntry       = 1 << 19 // bytes of an encoded entry: a proposal brings one and a quorum of prevotes
	maxUpdate      = 1 << 12 // bytes of a signed update; fewer in large rosters, see updateBytes
	maxMessage     = 1 << 20 // bytes of an encoded message
	maxSignature   = 128     // bytes of a signature
	maxAttempts    = 4       // updates of one site for one opening of a round
	maxStale       = 8       // rounds an update may be late
	maxCertified   = 64      // certified entries in a message
	maxTold        = 8       // entries that one site may tell at a height, beside what it proposes
	maxChanges     = 8       // changes of one roster that one site may approve of
	maxSought      = 32      // models that are fetched for runs which one site asks for
	maxShown       = 16      // changes in a head: those that most sites approve of
	maxJoinAge     = 16      // newest entries of which a join names one
	maxViewsAhead  = 16      // views beyond one's own of which votes are kept
	maxViewsBehind = 64      // views before one's own of which votes are kept
	maxPast        = 4       // decided heights whose votes are kept: a seal and its commit may come within two heads
	maxEarly       = 8       // messages kept for the next height, times the sites
)
