package report

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/scenarios"
)

func newTurnRow(r *scenarios.Recording, t turn) turnRow {
	row := turnRow{
		Round: strconv.FormatUint(t.number, 10), Opened: span(t.opened), Took: "not committed", Updates: "–", Last: "–", Sealed: "–",
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
	about := ""
	if l.Step.Site != "" {
		about = names[l.Step.Site]
		if about == "" {
			about = l.Step.Site.ShortString()
		}
		about = " of " + about
	}
	switch l.Event {
	case "fault", "mended":
		var who []string
		for _, id := range l.Sites {
			who = append(who, names[id])
		}
		text := l.Event + ": " + l.Kind
		if l.Text != "" {
			text += " (" + l.Text + ")"
		}
		if len(who) > 0 {
			text += " at " + join(who)
		}
		return text
	case "decide":
		if l.View == 0 && l.Kind != "void" && l.Kind != "close" && l.Kind != "roster" {
			return ""
		}
		return fmt.Sprintf("decides height %d (%s) in view %d", l.Height, l.Text, l.View)
	case "up", "down", "disk lost", "votes again", "equivocation", "diverged", "fork", "train failed", "bad input", "bad model", "bad update", "stale update", "dropped":
		text := l.Event + about
		if l.Kind != "" {
			text += " (" + l.Kind + ")"
		}
		if l.Text != "" {
			text += ": " + l.Text
		}
		return text
	}
	return ""
}
