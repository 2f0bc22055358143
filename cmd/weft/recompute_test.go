package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node"
)

// What came of each round is said in a line for those alike, and the worst of it is the command's error.
func TestRecomputed(t *testing.T) {
	run := block.Sum(block.DagCBOR, []byte("run"))
	gone := node.Recomputed{Outcome: node.NotKept, Why: "b's update"}
	same, differs, damaged := node.Recomputed{Outcome: node.Same}, node.Recomputed{Outcome: node.Differs, Why: "x"}, node.Recomputed{Outcome: node.Damaged, Why: "y"}
	for name, c := range map[string]struct {
		rounds []node.Recomputed
		text   string
		kind   error
		want   string // of the error; empty for none
	}{
		"all the same": {[]node.Recomputed{same, same, same}, "  rounds 1-3 recomputed from the updates kept here: the bits that are certified\n", nil, ""},
		"some kept": {
			[]node.Recomputed{gone, same, gone, gone},
			"  rounds 1, 3-4 not recomputed, not kept here: b's update\n  round 2 recomputed from the updates kept here: the bits that are certified\n", nil, "",
		},
		"none kept": {[]node.Recomputed{gone}, "  round 1 not recomputed, not kept here: b's update\n", nil, "`keep_updates: true`"},
		"a lie":     {[]node.Recomputed{same, differs}, "", errUnverified, "round 2 of run r: the certified model is not what its updates give: x"},
		"both":      {[]node.Recomputed{damaged, differs, gone}, "", errUnverified, "round 2 of run r: the certified model"},
		"unknown": {
			[]node.Recomputed{{Outcome: node.Unknown, Why: `unknown rule "clip"`}, same},
			"  round 1 not recomputed by this weft: unknown rule \"clip\"\n  round 2 recomputed from the updates kept here: the bits that are certified\n", nil, `cannot be computed by this weft: unknown rule "clip"`,
		},
		"no models": {nil, "", nil, "there is no committed model"},
		"a bad disk": {
			[]node.Recomputed{damaged, same},
			"  round 1 not recomputed, damaged here: y\n  round 2 recomputed from the updates kept here: the bits that are certified\n", errUnverified, "round 1 of run r cannot be computed here: y",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := &node.Report{}
			for i, rc := range c.rounds {
				r.Models = append(r.Models, node.ModelReport{Run: "r", RunID: run, Round: uint64(i + 1), Recomputed: &rc})
			}
			if got := recomputedText(r, run); c.text != "" && got != c.text {
				t.Errorf("text\n%s", got)
			}
			err := verdict(r)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || c.kind != nil && !errors.Is(err, c.kind) {
				t.Errorf("error %v", err)
			}
		})
	}
}
