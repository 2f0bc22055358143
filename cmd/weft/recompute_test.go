package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node/archive"
)

// What came of each round is said in a line for those alike, and the worst of it is the command's error.
func TestRecomputed(t *testing.T) {
	run := block.Sum(block.DagCBOR, []byte("run"))
	gone := archive.Recomputed{Outcome: archive.NotKept, Why: "b's update"}
	same, differs, damaged := archive.Recomputed{Outcome: archive.Same}, archive.Recomputed{Outcome: archive.Differs, Why: "x"}, archive.Recomputed{Outcome: archive.Damaged, Why: "y"}
	for name, c := range map[string]struct {
		rounds []archive.Recomputed
		text   string
		kind   error
		want   string // of the error; empty for none
	}{
		"all the same": {[]archive.Recomputed{same, same, same}, "  rounds 1-3 recomputed from the updates kept here: the bits that are certified\n", nil, ""},
		"some kept": {
			[]archive.Recomputed{gone, same, gone, gone},
			"  rounds 1, 3-4 not recomputed, not kept here: b's update\n  round 2 recomputed from the updates kept here: the bits that are certified\n", nil, "",
		},
		"none kept": {[]archive.Recomputed{gone}, "  round 1 not recomputed, not kept here: b's update\n", nil, "`keep_updates: true`"},
		"a lie":     {[]archive.Recomputed{same, differs}, "", errUnverified, "round 2 of run r: the certified model is not what its updates give: x"},
		"both":      {[]archive.Recomputed{damaged, differs, gone}, "", errUnverified, "round 2 of run r: the certified model"},
		"unknown": {
			[]archive.Recomputed{{Outcome: archive.Unknown, Why: `unknown rule "clip"`}, same},
			"  round 1 not recomputed by this weft: unknown rule \"clip\"\n  round 2 recomputed from the updates kept here: the bits that are certified\n", nil, `cannot be computed by this weft: unknown rule "clip"`,
		},
		"no models": {nil, "", nil, "there is no committed model"},
		"a bad disk": {
			[]archive.Recomputed{damaged, same},
			"  round 1 not recomputed, damaged here: y\n  round 2 recomputed from the updates kept here: the bits that are certified\n", errUnverified, "round 1 of run r cannot be computed here: y",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := &archive.Report{}
			for i, rc := range c.rounds {
				r.Models = append(r.Models, archive.ModelReport{Run: "r", RunID: run, Round: uint64(i + 1), Recomputed: &rc})
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
