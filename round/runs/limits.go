package runs

import "time"

const (
	// maxSought is how many models are fetched at a time for runs that one site asks for.
	maxSought = 32
	// patience is how many times as long as the fewest updates took a site waits at most for the others.
	patience = 8
	// maxEvaluation is the longest time of an evaluation, as a site states it, that others wait by.
	maxEvaluation = time.Hour
)
