package scenarios

import "testing"

// A liar's model is no measure of what the mesh is good for.
func TestAloneIsOfHonestSites(t *testing.T) {
	curve := func(name CurveName, site string, loss float64) Curve {
		return Curve{Name: name, Site: site, Points: []Point{{All: 5}, {Round: 1, All: loss}}}
	}
	r := &Recording{
		Scenario: &Scenario{Expect: Expect{Better: true}},
		Sites:    []Record{{Name: "a"}, {Name: "b"}, {Name: "mallory", Adversary: "times-100"}},
		Curves: []Curve{
			curve(Federated, "", 1.8), curve(Federated, "a", 1.8),
			curve(Alone, "a", 1.6), curve(Alone, "b", 1.8), curve(Alone, "mallory", 9), curve(Pooled, "", 1.5),
		},
	}
	Judge(r)
	if v := r.Verdicts[0]; v.Held || v.Got != "loss 1.800, alone 1.700 in the mean" {
		t.Errorf("%+v", v)
	}
}
