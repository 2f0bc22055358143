package scenarios

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/weft-mesh/weft/scenarios/sim"
	"github.com/weft-mesh/weft/yamlfile"
)

// Link is how a site is connected: one of the profiles by its name, or figures of its own.
type Link struct {
	Profile string   `yaml:"-" json:"profile,omitempty"`
	Latency Duration `yaml:"latency" json:"latency"` // one way, from the site to the backbone
	Jitter  Duration `yaml:"jitter" json:"jitter,omitempty"`
	Loss    Part     `yaml:"loss" json:"loss,omitempty"` // of messages
	Up      Rate     `yaml:"up" json:"up,omitempty"`     // 0: unlimited
	Down    Rate     `yaml:"down" json:"down,omitempty"`
}

// Profiles are the links that have names.
var Profiles = map[string]Link{
	"lan": {Profile: "lan", Latency: ms(0.1), Jitter: ms(0.05), Up: 1e9, Down: 1e9},
	"wan": {Profile: "wan", Latency: ms(5), Jitter: ms(1), Loss: 0.0005, Up: 100e6, Down: 100e6},
	"dsl": {Profile: "dsl", Latency: ms(15), Jitter: ms(5), Loss: 0.002, Up: 10e6, Down: 50e6},
}

func ms(v float64) Duration { return Duration(v * float64(time.Millisecond)) }

var _ yaml.NodeUnmarshaler = (*Link)(nil)

// UnmarshalYAML reads a profile's name, or figures.
func (l *Link) UnmarshalYAML(n ast.Node) error {
	if name, ok := n.(*ast.StringNode); ok {
		p, known := Profiles[name.Value]
		if !known {
			return yamlfile.Wrong(n, "no link %q; there are %s, or say {latency: 20ms, up: 20 Mbit/s, down: 100 Mbit/s}",
				name.Value, strings.Join(slices.Sorted(maps.Keys(Profiles)), ", "))
		}
		*l = p
		return nil
	}
	type figures Link // without this method
	var f figures
	if err := yaml.NodeToValue(n, &f, yaml.Strict()); err != nil {
		return err
	}
	*l = Link(f)
	return nil
}

// roundTrip is milliseconds between two regions: the 95th percentile over the 30 days to 30 July
// 2026 between Azure's regions, as Microsoft publishes it in "Azure network round-trip latency
// statistics" (learn.microsoft.com/azure/networking/azure-network-latency); the table's row is the
// later of the two names.
var roundTrip = []struct {
	region string // ours
	azure  string
	to     []float64 // those before it
}{
	{"us-east", "East US", nil},
	{"us-west", "West US", []float64{72}},
	{"brazil", "Brazil South", []float64{121, 170}},
	{"uk", "UK South", []float64{80, 144, 183}},
	{"europe", "West Europe", []float64{91, 153, 189, 13}},
	{"south-africa", "South Africa North", []float64{225, 278, 326, 169, 171}},
	{"india", "Central India", []float64{218, 224, 320, 150, 153, 134}},
	{"singapore", "Southeast Asia", []float64{229, 171, 337, 183, 181, 190, 58}},
	{"japan", "Japan East", []float64{165, 109, 275, 237, 242, 254, 129, 74}},
	{"australia", "Australia East", []float64{206, 141, 298, 277, 282, 347, 151, 98, 105}},
}

// Regions returns the names of all regions.
func Regions() []string {
	var names []string
	for _, r := range roundTrip {
		names = append(names, r.region)
	}
	return names
}

// RoundTrip returns the time from one region to another and back over the backbone; 0 inside one, or
// where one of them is not said.
func RoundTrip(a, b string) time.Duration {
	i, j := slices.Index(Regions(), a), slices.Index(Regions(), b)
	if i < 0 || j < 0 || i == j {
		return 0
	}
	return time.Duration(roundTrip[max(i, j)].to[min(i, j)] * float64(time.Millisecond))
}

// Path returns the way from one site to another: both sites' links and the backbone between their
// regions. What the links carry at most is not part of it: it is shared by all of a site's paths.
func (s *Scenario) Path(from, to *Group) sim.Path {
	a, b := from.Link, to.Link
	return sim.Path{
		Latency: time.Duration(a.Latency+b.Latency) + RoundTrip(from.Region, to.Region)/2,
		Jitter:  time.Duration(a.Jitter + b.Jitter),
		Loss:    1 - (1-float64(a.Loss))*(1-float64(b.Loss)),
	}
}
