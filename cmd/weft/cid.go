package main

import (
	"context"
	"iter"
	"strings"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node/api"
)

// minCIDEnd is the fewest characters of a CID's end that stand for it. Tables show eight.
const minCIDEnd = 6

// endsIn reports whether text is the CID or enough of its end.
func endsIn(id block.CID, text string) bool {
	s := id.String()
	return s == text || len(text) >= minCIDEnd && strings.HasSuffix(s, text)
}

// isCIDEnd reports whether text can be the end of a CID: base32 in lower case (RFC 4648), as CIDs are printed.
func isCIDEnd(text string) bool {
	return len(text) >= minCIDEnd && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// findCID returns the only CID with that end among those that the node's status and ledger show.
func findCID(ctx context.Context, c reader, end string) (found block.CID, err error) {
	s, err := c.Full(ctx)
	if err != nil {
		return found, err
	}
	entries, err := ledgerEntries(ctx, c, 1, 0)
	if err != nil {
		return found, err
	}
	for id := range shownCIDs(s, entries) {
		switch {
		case !endsIn(id, end) || id == found:
		case found.Defined():
			return block.CID{}, errManyCIDs(end, found, id)
		default:
			found = id
		}
	}
	if !found.Defined() {
		return found, fail(nil, "`weft status --json` and `weft ledger --json` show whole CIDs", "no CID here ends in %s", end)
	}
	return found, nil
}

func errManyCIDs(end string, a, b block.CID) error {
	return fail(nil, "give more of its end", "more than one CID ends in %s: %s, %s", end, a, b)
}

// shownCIDs are the CIDs whose ends the tables show.
func shownCIDs(s *api.Status, entries []api.LedgerEntry) iter.Seq[block.CID] {
	return func(yield func(block.CID) bool) {
		if !yield(s.Mesh) {
			return
		}
		for i := range s.Runs {
			r := &s.Runs[i]
			if !yield(r.ID) || !yield(r.Base) || !yield(r.Spec.Base) {
				return
			}
			for _, h := range r.History {
				if !yield(h.Seal) || !yield(h.Model) {
					return
				}
			}
		}
		for i := range entries {
			if !yield(entries[i].CID) {
				return
			}
		}
	}
}
