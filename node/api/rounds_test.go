package api_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
)

// longRun is a run of so many sites and rounds, whose models were measured.
func longRun(sites, rounds int) *api.RunStatus {
	r := &api.RunStatus{Name: "long", Rounds: uint64(rounds), Done: uint64(rounds), Spec: &ledger.RunSpec{}}
	for i := range rounds {
		h := api.RoundStatus{
			Round: uint64(i) + 1, SiteSamples: map[string]uint64{}, Weights: map[string]uint64{}, Shares: map[string]float64{},
			Norms: map[string]float64{}, NormRatios: map[string]float64{}, Attempts: map[string]uint64{}, Metrics: map[string]map[string]float64{},
		}
		f := api.ModelFigures{Round: uint64(i), Sites: map[string]ledger.Measured{}}
		for s := range sites {
			name := fmt.Sprintf("hospital-%02d", s)
			h.Sites = append(h.Sites, name)
			h.SiteSamples[name], h.Weights[name], h.Shares[name] = 12345, 12345, 1/float64(sites)
			h.Norms[name], h.NormRatios[name], h.Attempts[name] = 12.345678, 1.0123456, 1
			h.Metrics[name] = map[string]float64{"loss": 1.23456789, "accuracy": 0.87654321}
			f.Sites[name] = ledger.Measured{Samples: 100, Metrics: h.Metrics[name]}
		}
		r.History, r.Figures = append(r.History, h), append(r.Figures, f)
	}
	return r
}

// TestStatusIsShort: what is asked for twice a second does not grow with a run.
func TestStatusIsShort(t *testing.T) {
	r := longRun(20, 1000)
	r.Shorten()
	text, err := json.Marshal(r)
	if err != nil || len(text) > 10_000 || r.Newest.Round != 1000 {
		t.Errorf("a run of 20 sites and 1000 rounds is told in %d bytes, newest %d: %v", len(text), r.Newest.Round, err)
	}
}

// TestPages: pages of any size, taken in order, are the whole.
func TestPages(t *testing.T) {
	whole := longRun(3, 10)
	whole.Cross = api.CrossFigures{"a": {"b": {Samples: 1}}}
	for _, limit := range []int{1, 3, 10, 11, 1 << 30} {
		var got api.RunStatus
		for from := uint64(1); ; {
			page := whole.Page(from, limit)
			if page.Done != 10 || len(page.Rounds) > limit {
				t.Fatalf("limit %d: %d rounds of %d", limit, len(page.Rounds), page.Done)
			}
			if len(page.Rounds) == 0 {
				break
			}
			got.History, got.Figures, got.Cross = append(got.History, page.Rounds...), append(got.Figures, page.Figures...), page.Cross
			from = page.Rounds[len(page.Rounds)-1].Round + 1
		}
		a, _ := json.Marshal([]any{got.History, got.Figures, got.Cross})
		b, _ := json.Marshal([]any{whole.History, whole.Figures, whole.Cross})
		if string(a) != string(b) {
			t.Errorf("limit %d: %d rounds, %d figures, %d rows of cross figures", limit, len(got.History), len(got.Figures), len(got.Cross))
		}
	}
	if page := whole.Page(1<<62, 5); len(page.Rounds) != 0 || page.Rounds == nil {
		t.Errorf("beyond the end: %+v", page)
	}
}
