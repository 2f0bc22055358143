package blockstore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weft-mesh/weft/tensor"
)

// Difference says in how many shards two models of one layout differ, and what the first is.
func Difference(own, theirs Manifest, l tensor.Layout) string {
	if len(own.Shards) != len(theirs.Shards) || own.ShardElements != theirs.ShardElements {
		return fmt.Sprintf("it is cut into %d shards of %d elements, this one into %d of %d", len(theirs.Shards), theirs.ShardElements, len(own.Shards), own.ShardElements)
	}
	first, differ := -1, 0
	for i, c := range own.Shards {
		if c == theirs.Shards[i] {
			continue
		}
		if differ++; first < 0 {
			first = i
		}
	}
	if first < 0 {
		return "all shards are the same" // the manifests differ in how they are written
	}
	text := fmt.Sprintf("%d of %d shards differ, the first is shard %d", differ, len(own.Shards), first)
	if s, err := l.Shard(first, own.ShardElements); err == nil {
		text += " (" + tensorsOf(l, s) + ")"
	}
	return text
}

// tensorsOf names the tensors that a shard has elements of.
func tensorsOf(l tensor.Layout, s tensor.Shard) string {
	var names []string
	end := uint64(0)
	for _, t := range l.Tensors {
		begin := end
		end += t.Elements()
		if begin < s.First+s.Elements && end > s.First && end > begin {
			names = append(names, t.Name)
		}
	}
	if n := len(names); n > 3 {
		names = slices.Concat(names[:1], []string{fmt.Sprintf("%d more", n-2)}, names[n-1:])
	}
	return "of " + strings.Join(names, ", ")
}
