package node

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/tensor"
)

// distance returns the length of the difference between two models at a site.
func distance(t *testing.T, s *testSite, a, b block.CID) float64 {
	t.Helper()
	elements := func(model block.CID) (list []float64) {
		file := s.export(model)
		h, err := tensor.ReadHeader(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		for data := file[h.DataOffset:]; len(data) >= 4; data = data[4:] {
			list = append(list, float64(math.Float32frombits(binary.LittleEndian.Uint32(data))))
		}
		return list
	}
	sum, from := 0.0, elements(a)
	for i, x := range elements(b) {
		sum += (x - from[i]) * (x - from[i])
	}
	return math.Sqrt(sum)
}

// TestClipRun: a run whose rule is clip moves its model by no more than the length in each round, at every site to the same
// bits, which are computed anew from kept updates.
func TestClipRun(t *testing.T) {
	t.Parallel()
	const norm = 0.1
	sites := newTestMesh(t, 3, func(_, config string) string { return config + "keep_updates: true\n" })
	upAll(sites)
	a := sites[0]
	run := a.start(ledger.RunSpec{Name: "clipped", Rounds: 6, MinSites: 3, Rule: "clip", Strategy: ledger.NewStrategy(ledger.Method{Params: map[string]string{"norm": "0.1"}})})
	var r api.RunStatus
	for _, s := range slices.Backward(sites) {
		r = s.awaitRounds(run, 6)
	}
	if m, err := r.Spec.Strategy.Read(); err != nil || r.Spec.Late != ledger.Average || m.Params["norm"] != "0.1" {
		t.Errorf("the run's description: %+v", r.Spec)
	}
	base := r.Spec.Base
	for _, h := range r.History {
		if d := distance(t, a, base, h.Model); d > 1.01*norm || d < norm/100 {
			t.Errorf("round %d moves the model by %g", h.Round, d)
		}
		base = h.Model
	}
	for _, s := range sites {
		s.down()
		list := recomputed(t, s.dir, block.CID{})
		for _, got := range list {
			if got != (archive.Recomputed{Outcome: archive.Same}) {
				t.Errorf("recomputed at %s: %+v", s.name, got)
			}
		}
		if len(list) != 6 {
			t.Errorf("%d models recomputed at %s", len(list), s.name)
		}
	}
}

// TestWrongStrategy: what cannot be done is refused by name before anybody is asked.
func TestWrongStrategy(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 1, nil)
	a := sites[0]
	a.up()
	for _, c := range []struct {
		spec        ledger.RunSpec
		field, want string
	}{
		{ledger.RunSpec{Rule: "median"}, "rule", `unknown rule "median"`},
		{ledger.RunSpec{Strategy: ledger.NewStrategy(ledger.Method{Outer: "nesterow"})}, "outer", `unknown outer "nesterow"`},
		{ledger.RunSpec{Strategy: ledger.NewStrategy(ledger.Method{Outer: "nesterov"}), Late: ledger.Carry}, "late", "policy drop"},
		{ledger.RunSpec{Rule: "clip", Strategy: ledger.NewStrategy(ledger.Method{Params: map[string]string{"norm": "-1"}})}, "params.norm", "-1"},
		{ledger.RunSpec{Rule: "clip", Strategy: ledger.NewStrategy(ledger.Method{Params: map[string]string{"b": "1"}})}, "params.b", "norm"},
		{ledger.RunSpec{Rule: "clip", Late: ledger.Carry}, "late", "policy drop"},
	} {
		c.spec.Name, c.spec.Rounds = "wrong", 1
		var refused *api.Error
		_, err := a.client.Start(t.Context(), api.RunRequest{Spec: c.spec, Init: true})
		if !errors.As(err, &refused) || refused.Field != c.field || !strings.Contains(refused.Message, c.want) {
			t.Errorf("%+v: %v", c.spec, err)
		}
	}
}
