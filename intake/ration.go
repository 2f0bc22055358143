package intake

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
)

// sort is a sort of messages, each with a ration of its own.
type sort int

const (
	agreement sort = iota // statements of the agreement, of an author: several a height
	affair                // those about runs and the roster
	proof                 // evidence against an author
	brought               // what a neighbour brings that no author is charged for
	head                  // heads of a neighbour
	decided               // decided entries of a neighbour that do not follow this site's ledger
	flood                 // added to head and decided: more than any site ever sends
)

// ration is how much of a sort is taken of one site: so many in a second in the long run, and so many at once.
type ration struct {
	rate  rate.Limit
	burst int
}

// The fastest meshes decide some fifty heights a second, with four or so statements of each site; a site that leaves 64 views behind
// says 128 votes at once. Consents, updates and the like come by the round. A neighbour shows its head every two seconds in turn, and
// three times a second at most when it lacks something; 256 messages wait at most for a connection that stalled.
var allowed = map[sort]ration{
	agreement:       {256, 1024},
	affair:          {16, 256},
	proof:           {1, 8},
	brought:         {256, 1024},
	head:            {4, 32},
	decided:         {4, 32},
	head + flood:    {16, 256},
	decided + flood: {16, 256},
}

// Bytes of what one site says, or brings.
const (
	byteRate  = 4 << 20
	byteBurst = 32 << 20
)

// rations are what is left to each site, by sort.
type rations map[peer.ID]*allowance

type allowance struct {
	sorts map[sort]*rate.Limiter
	bytes *rate.Limiter
}

// take charges a site for a message of a sort; false: it has used up what it is allowed.
func (r rations) take(now time.Time, who peer.ID, of sort, bytes int) bool {
	a := r[who]
	if a == nil {
		a = &allowance{map[sort]*rate.Limiter{}, rate.NewLimiter(byteRate, byteBurst)}
		r[who] = a
	}
	l := a.sorts[of]
	if l == nil {
		l = rate.NewLimiter(allowed[of].rate, allowed[of].burst)
		a.sorts[of] = l
	}
	return l.AllowN(now, 1) && (bytes == 0 || a.bytes.AllowN(now, bytes))
}

// sortOf returns the sort of a statement.
func sortOf(body ledger.Body) sort {
	switch body.(type) {
	case *consensus.Ready, *consensus.Proposal, *ledger.Vote, *ledger.Join:
		return agreement
	}
	return affair
}

const (
	heardStatements = 1 << 14
	// A site says a statement again after a second at the earliest, then ever more seldom. Whoever is faster says it in its place.
	againAfter = 400 * time.Millisecond
)

// heard are the statements that were let through last, and when: what is said again says nothing new of its author, and may be
// brought by anybody.
type heard struct {
	last *lru.Cache[said, time.Time]
}

type said struct {
	from peer.ID
	kind ledger.Kind
	body block.CID
}

func newHeard() heard {
	c, err := lru.New[said, time.Time](heardStatements)
	if err != nil {
		panic(err) // the size is positive
	}
	return heard{c}
}

// again reports whether a statement was let through before, and whether that was so short a time ago that it says nothing now.
func (h heard) again(now time.Time, s *ledger.Signed) (again, soon bool) {
	last, again := h.last.Get(said{s.From, s.Kind, s.ID()})
	return again, again && now.Sub(last) < againAfter
}

func (h heard) note(now time.Time, s *ledger.Signed) {
	h.last.Add(said{s.From, s.Kind, s.ID()}, now)
}
