package ledger

import (
	"maps"
	"slices"
)

// Kinds returns the kinds of statements that this program knows.
func Kinds() []Kind { return slices.Sorted(maps.Keys(statementKinds)) }

// EntryKinds returns the kinds of entries that this program knows.
func EntryKinds() []string { return slices.Sorted(maps.Keys(entryKinds)) }
