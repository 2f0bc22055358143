package ledger

import "errors"

// Why a message or an entry is refused. Everything that Step traces as rejected wraps one of these.
var (
	ErrMalformed  = errors.New("malformed")                    // bytes or fields out of bounds
	ErrStranger   = errors.New("not a site of the roster")     // author unknown to the mesh
	ErrSignature  = errors.New("signature does not verify")    // forged or damaged
	ErrInvalid    = errors.New("invalid entry")                // against the ledger's rules
	ErrQuorum     = errors.New("certificate has no quorum")    // too few, doubled or bad signatures
	ErrEquivocate = errors.New("two statements for one place") // signed proof of a double vote
	ErrKeySpent   = errors.New("no key comes back")            // a change adds a key that is or was a site's
	ErrNameTaken  = errors.New("the name is taken")            // a change adds a site under the name of another
	ErrUnknown    = errors.New("not known to this weft")       // a statement, or the content of a message, that a later version sends
	ErrNewer      = errors.New("a newer weft is needed")       // what is decided, or in force, cannot be passed over
	ErrNoApproval = errors.New("there is no approval of this site")
	ErrTooMany    = errors.New("too many changes at one time") // of the roster, that this site approves of
)
