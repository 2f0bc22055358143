package node

import "time"

// Limits of what the node keeps, waits for and lets others make it do.
const (
	maxConfig     = 1 << 20  // bytes of config.yaml
	maxSocketPath = 103      // bytes: sun_path of macOS, the shortest, less its end
	maxFrame      = 4 << 20  // bytes of a frame of the log; a record is a block at most
	maxBatch      = 1 << 20  // bytes of records after which a frame ends
	maxBody       = 1 << 20  // bytes of a request to the local API
	maxTraceFile  = 16 << 20 // bytes of trace.jsonl before it is rotated
	maxTraceLine  = 64 << 10 // bytes of one event
	ringEvents    = 4096     // newest events kept in memory
	maxLedgerPage = 1000     // entries in one answer
	maxCARHeader  = 1 << 20  // bytes
	maxCARBlocks  = 1 << 24  // blocks: 8 million heights

	maxSamples    = 1 << 40 // of an update, as package round has it
	maxMetrics    = 16      // of an update, as package round has it
	maxMetricName = 64      // bytes, as package round has it
	maxReason     = 256     // bytes of a reason to stop, as package round has it
	maxDiffer     = 4       // manifests kept of models that differ
	maxRuns       = 16      // runs open at one time, as package round has it

	queueEvents   = 4096     // events that wait for the machine
	queueBytes    = 64 << 20 // bytes of their messages, which have at most 1 MiB each
	queueSends    = 512      // messages that wait for one peer
	verifiedCache = 1 << 15  // signatures remembered as good

	trainerSilence = 10 * time.Minute // of a trainer with a task, before the log warns; an epoch without a word is shorter

	headStart   = 500 * time.Millisecond // in which an update is asked of its owner alone
	divergeWait = time.Minute            // for the manifest of a model that differs
	visitTime   = 3 * time.Second        // in which a site that was removed is told
	visitEvery  = 10 * time.Minute       // between two times that it is let in
	askAgainMin = 500 * time.Millisecond // before sites that lack a block are asked again; doubles
	askAgainMax = 15 * time.Second

	retryMin = 250 * time.Millisecond // before a failed fetch is tried again; doubles
	retryMax = 30 * time.Second

	scrubEvery = 24 * time.Hour
	scrubRate  = 20 << 20 // bytes a second: no training or round waits for the disk because of it
)
