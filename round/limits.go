package round

// Limits on what a peer can make a site read or remember. Every decoder checks them.
const (
	maxName       = 64      // bytes of a name of a mesh, site or run
	maxReason     = 256     // bytes of free text in an entry
	maxSites      = 1024    // sites of a roster
	maxRounds     = 1 << 20 // rounds of a run
	maxRuns       = 16      // runs open at one time
	maxMetrics    = 16      // metrics of an update
	maxTrain      = 64      // hyperparameters of a run
	maxTrainValue = 1024    // bytes of a hyperparameter's name or value
	maxSamples    = 1 << 40 // samples of an update
	maxEntry      = 1 << 19 // bytes of an encoded entry: a proposal brings one and a quorum of prevotes
	maxUpdate     = 1 << 12 // bytes of a signed update; fewer in large rosters, see updateBytes
	maxSignature  = 128     // bytes of a signature
	maxAttempts   = 4       // updates of one site for one opening of a round
	maxStale      = 8       // rounds an update may be late
	maxChanges    = 8       // changes of one roster that one site may approve of
	maxJoinAge    = 16      // newest entries of which a join names one
)
