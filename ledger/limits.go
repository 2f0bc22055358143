package ledger

// Limits on what a peer can make a site read or remember. Every decoder checks them.
const (
	MaxName       = 64      // bytes of a name of a mesh, site or run
	MaxReason     = 256     // bytes of free text in an entry
	MaxSites      = 1024    // sites of a roster
	MaxRounds     = 1 << 20 // rounds of a run
	MaxRuns       = 16      // runs open at one time
	MaxAsked      = 4       // runs that one site asks for at one time
	MaxMetrics    = 16      // metrics of an update
	maxTrain      = 64      // hyperparameters of a run
	maxTrainValue = 1024    // bytes of a hyperparameter's name or value
	MaxSamples    = 1 << 40 // samples of an update
	MaxEntry      = 1 << 19 // bytes of an encoded entry: a proposal brings one and a quorum of prevotes
	maxUpdate     = 1 << 12 // bytes of a signed update; fewer in large rosters, see updateBytes
	maxVote       = 256     // bytes of a vote's body: a proposal brings a quorum of them, and an entry
	maxStop       = 384     // bytes of a stop's body: an entry brings those of all sites
	MaxSmall      = 512     // bytes of the body of another statement that brings nothing
	maxChange     = 1 << 10 // bytes of a change of the roster
	maxSpec       = 1 << 18 // bytes of a run's description
	MaxProposal   = 1 << 20 // bytes of a proposal's body, as much as a message has
	MaxSignature  = 128     // bytes of a signature
	MaxAttempts   = 4       // updates of one site for one opening of a round
	MaxStale      = 8       // rounds an update may be late
	MaxChanges    = 8       // changes of one roster that one site may approve of
	MaxJoinAge    = 16      // newest entries of which a join names one
)
