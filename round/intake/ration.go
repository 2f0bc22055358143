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

// sort is a sort of messages, each with a ration of its own: a kind of statement, or one of these.
type sort string

const (
	proof    sort = "evidence"         // against an author
	brought  sort = "brought"          // what a neighbour brings that no author is charged for
	head     sort = "head"             // of a neighbour
	decided  sort = "decided"          // entries of a neighbour that do not follow this site's ledger
	recalled sort = "said"             // what a neighbour says that this site has said
	flood         = sort(" in floods") // added to head and decided: more than any site ever sends
)

// ration is how much of a sort is taken of one site: so many in a second in the long run, and so many at once.
type ration struct {
	rate  rate.Limit
	burst int
}

// A statement of each kind of the agreement is said at a height, and the fastest meshes decide some ten heights a second; a site
// that leaves 64 views behind says 64 votes of a kind at once. Consents, updates and the like come by the round. A neighbour shows
// its head every two seconds in turn, and three times a second at most when it lacks something; 256 messages wait at most for a
// connection that stalled. What is dropped here is said again.
var allowed = map[sort]ration{
	sort(consensus.KindReady):    {64, 384}, // one for each entry that it comes to mean
	sort(consensus.KindProposal): {32, 192},
	sort(ledger.KindPrevote):     {32, 192},
	sort(ledger.KindPrecommit):   {32, 192},
	sort(ledger.KindJoin):        {32, 192},
	proof:                        {1, 8},
	brought:                      {64, 512},
	head:                         {4, 32},
	decided:                      {4, 32},
	recalled:                     {4, 32}, // one for each start and each time that it was behind
	recalled + flood:             {16, 256},
	head + flood:                 {16, 256},
	decided + flood:              {16, 256},
}

// affair is for the kinds that are about runs and the roster.
var affair = ration{8, 64}

// Bytes of what one site says, or brings: a large entry is told, and proposed, with up to a megabyte.
const (
	byteRate  = 1 << 20
	byteBurst = 4 << 20
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
		most, special := allowed[of]
		if !special {
			most = affair
		}
		l = rate.NewLimiter(most.rate, most.burst)
		a.sorts[of] = l
	}
	return l.AllowN(now, 1) && (bytes == 0 || a.bytes.AllowN(now, bytes))
}

// empty reports whether a site has used up what it is allowed of a sort, or in all.
func (r rations) empty(now time.Time, who peer.ID, of sort) bool {
	a := r[who]
	if a == nil || a.sorts[of] == nil {
		return false
	}
	return a.sorts[of].TokensAt(now) < 1 || a.bytes.TokensAt(now) < 1
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
	if s == nil {
		return false, false
	}
	last, again := h.last.Get(said{s.From, s.Kind, s.ID()})
	return again, again && now.Sub(last) < againAfter
}

func (h heard) note(now time.Time, s *ledger.Signed) {
	if s == nil {
		return
	}
	h.last.Add(said{s.From, s.Kind, s.ID()}, now)
}
