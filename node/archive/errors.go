package archive

import "errors"

// What keeps a ledger from being read or believed.
var (
	ErrCAR   = errors.New("no good CAR file")
	ErrChain = errors.New("the ledger does not verify")
)
