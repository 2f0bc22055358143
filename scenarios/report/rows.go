package report

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/trace"
)

func newTurnRow(r *scenarios.Recording, t turn) turnRow {
	row := turnRow{
		Round: strconv.FormatUint(t.number, 10), Opened: span(t.opened), Took: "not committed", Updates: "–", Share: "–", Last: "–", Sealed: "–",
		Sealing: known(t.sealing), Deciding: known(t.deciding), Views: strconv.FormatUint(t.views, 10),
	}
	if t.committed > 0 {
		row.Took = span(t.took())
	}
	if t.sealed > 0 {
		row.Sealed = span(t.sealed - t.opened)
		row.Updates = strconv.Itoa(t.updates)
		if t.seals > 1 {
			row.Updates += fmt.Sprintf(" (seal %d)", t.seals)
		}
	}
	if t.share > 0 {
		row.Share = fmt.Sprintf("%.0f %% %s", 100*t.share, r.Sites[t.heaviest].Name)
	}
	if t.last >= 0 {
		row.Last = r.Sites[t.last].Name
	}
	return row
}

func newSiteRow(s scenarios.Record) siteRow {
	row := siteRow{
		Name: s.Name, Region: s.Region, Lies: s.Adversary, Rounds: strconv.FormatUint(s.Rounds, 10), Sent: size(float64(s.Sent.Bytes())),
		Received: size(float64(s.Received.Bytes())), Messages: strconv.FormatInt(s.Sent.Messages, 10), Names: strings.Join(s.Named, ", "), Down: !s.Up,
	}
	if s.Sent.Messages == 0 {
		row.Messages = "–"
	}
	if s.Signed+s.Verified > 0 {
		row.Signatures = fmt.Sprintf("%d made, %d checked", s.Signed, s.Verified)
	}
	if n := len(s.Models); n > 0 {
		row.Model = s.Models[n-1].Short()
	}
	return row
}

// maxLog is how many lines of the log a page has.
const maxLog = 1000

// newLog lists what is out of the ordinary, and how many more lines there were.
func newLog(r *scenarios.Recording) (rows []logRow, omitted int) {
	names := map[peer.ID]string{}
	for _, s := range r.Sites {
		if id, err := peer.Decode(s.ID); err == nil {
			names[id] = s.Name
		}
	}
	for i := range r.Trace {
		l := &r.Trace[i]
		text := remarkable(l, names)
		if text == "" {
			continue
		}
		if len(rows) == maxLog {
			omitted++
			continue
		}
		row := logRow{At: span(l.At), Text: text}
		if l.Site >= 0 && l.Site < len(r.Sites) {
			row.Site = r.Sites[l.Site].Name
		}
		rows = append(rows, row)
	}
	return rows, omitted
}

// remarkable puts a line of the trace in words, or returns "" for what happens in every round.
func remarkable(l *scenarios.Line, names map[peer.ID]string) string {
	switch e := l.Event.(type) {
	case trace.Fault:
		return troubleText("fault", e.Trouble, names)
	case trace.Mended:
		return troubleText("mended", e.Trouble, names)
	case trace.Decided:
		if k := e.Decision.Kind; e.View == 0 && k != "void" && k != "close" && k != "roster" {
			return ""
		}
		return fmt.Sprintf("decides height %d (%s) in view %d", e.Height, e.Text(), e.View)
	case trace.Equivocated:
		return fmt.Sprintf("%s%s (%s): %s", e.Kind(), ofSite(e.Site, names), e.Statement, e.Text())
	case trace.Up, trace.Down, trace.DiskLost, trace.RolledBack, trace.FallsSilent, trace.VotesAgain, trace.Diverged, trace.Forked, trace.TrainingFailed, trace.Troubled, trace.InputSpoilt,
		trace.ModelSpoilt, trace.UpdateSpoilt, trace.UpdateStale, trace.Dropped:
		text := string(e.Kind()) + ofSite(e.About().Site, names)
		if e.Text() != "" {
			text += ": " + e.Text()
		}
		return text
	}
	return ""
}

// ofSite names the site that an event is about, if it is about one.
func ofSite(id peer.ID, names map[peer.ID]string) string {
	switch {
	case id == "":
		return ""
	case names[id] == "":
		return " of " + id.ShortString()
	}
	return " of " + names[id]
}

func troubleText(event string, t trace.Trouble, names map[peer.ID]string) string {
	text := event + ": " + t.Fault
	if t.Words != "" {
		text += " (" + t.Words + ")"
	}
	var at []string
	for _, id := range t.Sites {
		at = append(at, names[id])
	}
	if len(at) > 0 {
		text += " at " + join(at)
	}
	return text
}
