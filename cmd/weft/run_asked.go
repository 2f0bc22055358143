package main

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/api"
)

// findAsked returns a run that is asked for and not open, nil if it is none.
func findAsked(s *api.Status, id block.CID) *api.AskedRun {
	for i := range s.NotOpen {
		if s.NotOpen[i].Run == id {
			return &s.NotOpen[i]
		}
	}
	return nil
}

// askedText says of each run that is asked for who asks, and what it waits for.
func askedText(out *term.Out, s *api.Status) (text string) {
	for i := range s.NotOpen {
		a := &s.NotOpen[i]
		line := fmt.Sprintf("%s (%s), by %s%s, waits for %s", out.Bold(a.Spec.Name), a.Run.Short(), a.Opener, sizeText(a), a.Waits)
		if a.Own {
			line += "; take it back with `weft run stop " + a.Run.Short() + "`"
		}
		text += out.Dim(fmt.Sprintf("%-*s", indent, "asked")) + hanging(out, line, nil)
	}
	return text
}

// sizeText says how large the model of a run is, if that is known.
func sizeText(a *api.AskedRun) string {
	if a.Bytes == 0 {
		return ""
	}
	return ", " + term.Bytes(a.Bytes)
}
