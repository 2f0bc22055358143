package runs

const (
	// maxSought is how many models are fetched at a time for runs that one site asks for.
	maxSought = 32
	// patience is how many times as long as the fewest updates took a site waits at most for the others.
	patience = 8
)
