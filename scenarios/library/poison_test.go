package library_test

import (
	"testing"

	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/scenarios/library"
	"github.com/weft-mesh/weft/scenarios/play/simulated"
)

// TestPoison: with rule: clip one liar of four costs the mesh at most 2 % of the loss that the honest sites alone reach in the same
// rounds: whatever the size of its updates, and whatever samples it states. For updates that are turned around, which no length
// betrays, the figure is told. It trains, so it is played by `make scenarios` alone.
func TestPoison(t *testing.T) {
	if !full() {
		t.Skip("trains for minutes; WEFT_SCENARIOS=full plays it")
	}
	honest := lossWith(t, "silent")
	for _, kind := range []string{"times-100", "boaster", "max-float", "sign-flip"} {
		loss := lossWith(t, kind)
		t.Logf("%s: %.4f nats per byte, the honest sites alone %.4f: %+.2f %%", kind, loss, honest, 100*(loss/honest-1))
		if loss > 1.02*honest && kind != "sign-flip" {
			t.Errorf("%s costs more than 2 %%", kind)
		}
	}
}

// lossWith returns the loss of the last model of a mesh of which one site lies.
func lossWith(t *testing.T, kind string) float64 {
	t.Helper()
	s, err := library.Open("poisoned-clipped")
	if err != nil {
		t.Fatal(err)
	}
	s.Run.Rounds, s.Expect = 3, scenarios.Expect{Finished: true}
	for i := range s.Sites {
		if s.Sites[i].Adversary != "" {
			s.Sites[i].Adversary = kind
		}
	}
	r, err := simulated.Play(t.Context(), s, nil)
	if err != nil || !r.Held() {
		t.Fatalf("%s: %v, %+v", kind, err, r)
	}
	for _, c := range r.Curves {
		if c.Name == scenarios.Federated && c.Site == "" {
			return c.Points[len(c.Points)-1].All
		}
	}
	t.Fatalf("%s: no curve of the mesh's models", kind)
	return 0
}
