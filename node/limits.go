package node

import "time"

// Limits of what the node keeps, waits for and lets others make it do.
const (
	queueEvents   = 4096     // events that wait for the machine
	queueBytes    = 64 << 20 // bytes of their messages, which have at most 1 MiB each
	badWaiting    = 64       // damaged blocks that nobody has looked at yet
	queueSends    = 512      // messages that wait for one peer
	verifiedCache = 1 << 15  // signatures remembered as good

	visitTime  = 3 * time.Second  // in which a site that was removed is told
	visitEvery = 10 * time.Minute // between two times that it is let in

	startTells = time.Second // between two lines of the log while a start takes its time

	scrubEvery = 24 * time.Hour
	scrubRate  = 20 << 20 // bytes a second: no training or round waits for the disk because of it
)
