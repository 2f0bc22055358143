package api

import (
	"fmt"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// Trouble is what goes wrong at a site, as it says.
type Trouble struct {
	Classes []ledger.TroubleClass `json:"classes"`        // ascending
	Text    string                `json:"text,omitempty"` // if its operator shares that
}

// words say what each class means to the operators of other sites.
var words = map[ledger.TroubleClass]string{
	ledger.DiskFull:      "its disk is full",
	ledger.Excluded:      "its updates are excluded, as its key is proven to have signed two statements for one place",
	ledger.CannotFetch:   "it cannot fetch a model or an update",
	ledger.LinkDown:      "its link fails: it reached fewer sites than a quorum",
	ledger.TrainingFails: "its training fails",
}

// String says it in words; what the site has written of it is quoted.
func (t Trouble) String() string {
	var parts []string
	for _, class := range t.Classes {
		if text, known := words[class]; known {
			parts = append(parts, text)
		} else {
			parts = append(parts, fmt.Sprintf("it has trouble of a class that this weft does not know (%s)", class))
		}
	}
	text := strings.Join(parts, "; ")
	if t.Text != "" {
		text += fmt.Sprintf(" (%q)", t.Text)
	}
	return text
}

// Names returns the classes as a list for tables.
func (t Trouble) Names() string {
	var names []string
	for _, class := range t.Classes {
		names = append(names, string(class))
	}
	return strings.Join(slices.Compact(names), "+")
}

// TroubleLog gathers from a site's trace, event by event, what the sites say goes wrong there: now, and in each round.
type TroubleLog struct {
	now    map[block.CID]map[peer.ID]Trouble
	rounds map[block.CID]map[uint64]map[peer.ID]Trouble
}

// NewTroubleLog returns one of no events.
func NewTroubleLog() *TroubleLog {
	return &TroubleLog{map[block.CID]map[peer.ID]Trouble{}, map[block.CID]map[uint64]map[peer.ID]Trouble{}}
}

// See takes an event.
func (t *TroubleLog) See(e trace.Event) {
	run := e.About().Run
	switch e := e.(type) {
	case trace.Troubled:
		if t.now[run] == nil {
			t.now[run] = map[peer.ID]Trouble{}
		}
		if len(e.Classes) == 0 {
			delete(t.now[run], e.Site)
			return
		}
		said := Trouble{Text: e.Why}
		for _, class := range e.Classes {
			said.Classes = append(said.Classes, ledger.TroubleClass(class))
		}
		t.now[run][e.Site] = said
		t.in(run, e.Round, e.Site, said)
	case trace.Decided:
		switch e.Decision.Kind {
		case "commit": // what has not been taken back goes wrong in the next round too
			for site, said := range t.now[run] {
				t.in(run, e.Decision.Round+1, site, said)
			}
		case "close":
			delete(t.now, run)
		}
	}
}

// in notes what goes wrong at a site in a round, beside what has gone wrong there before.
func (t *TroubleLog) in(run block.CID, round uint64, site peer.ID, said Trouble) {
	if t.rounds[run] == nil {
		t.rounds[run] = map[uint64]map[peer.ID]Trouble{}
	}
	if t.rounds[run][round] == nil {
		t.rounds[run][round] = map[peer.ID]Trouble{}
	}
	classes := slices.Concat(t.rounds[run][round][site].Classes, said.Classes)
	slices.Sort(classes)
	t.rounds[run][round][site] = Trouble{Classes: slices.Compact(classes), Text: said.Text}
}

// Missed adds to a committed round of a run what went wrong in it at sites without an update in it.
func (t *TroubleLog) Missed(run block.CID, r *RoundStatus, name func(peer.ID) string) {
	for id, said := range t.rounds[run][r.Round] {
		if site := name(id); !slices.Contains(r.Sites, site) {
			if r.Troubles == nil {
				r.Troubles = map[string]Trouble{}
			}
			r.Troubles[site] = said
		}
	}
}
