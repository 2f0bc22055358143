package scenarios

import (
	"fmt"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/runfile"
	"github.com/weft-mesh/weft/yamlfile"
)

// Opens is when the run is asked for, whoever plays the scenario: the sites have found each other by then.
const Opens = 5 * time.Second

// Scenario is a mesh, what it trains, what befalls it, and what is expected.
type Scenario struct {
	Name     string         `yaml:"name" json:"name"`
	About    string         `yaml:"about" json:"about,omitempty"` // in one line
	Faults   ledger.Faults  `yaml:"faults" json:"faults"`         // what the mesh is to withstand
	Seed     yamlfile.Count `yaml:"seed" json:"seed"`
	Until    Duration       `yaml:"until" json:"until"` // when it ends, finished or not
	Sites    []Group        `yaml:"sites" json:"sites"`
	Trainer  Trainer        `yaml:"trainer" json:"trainer"`
	Data     Data           `yaml:"data" json:"data,omitzero"`
	Run      runfile.Terms  `yaml:"run" json:"run"`
	Timeline []Event        `yaml:"timeline" json:"timeline,omitempty"`
	Expect   Expect         `yaml:"expect" json:"expect,omitzero"`
}

// Group is one site, or several that are alike: those of "bank" are bank-1, bank-2 and so on.
type Group struct {
	Name      string   `yaml:"name" json:"name"`
	Count     Number   `yaml:"count" json:"count,omitempty"`   // 0: one, under the group's own name
	Region    string   `yaml:"region" json:"region,omitempty"` // see Regions
	Link      Link     `yaml:"link" json:"link"`
	Speed     Factor   `yaml:"speed" json:"speed,omitempty"` // trains so many times as fast; 0: once
	Disk      Duration `yaml:"disk" json:"disk,omitempty"`   // to make a record durable
	Starts    Duration `yaml:"starts" json:"starts,omitempty"`
	Declines  bool     `yaml:"declines" json:"declines,omitempty"` // takes part in no run
	Adversary string   `yaml:"adversary" json:"adversary,omitempty"`
}

// Trainer is what trains at the sites: one of the three.
type Trainer struct {
	Synthetic *Synthetic `yaml:"synthetic" json:"synthetic,omitempty"`
	Builtin   *Builtin   `yaml:"builtin" json:"builtin,omitempty"`
	Exec      []string   `yaml:"exec" json:"exec,omitempty"` // a user's own script, which real nodes run, with the placeholders of scenarios/local
}

// Synthetic trains nothing: it takes time and yields bytes.
type Synthetic struct {
	Bytes  Size     `yaml:"bytes" json:"bytes"` // of a model and of an update
	Time   Duration `yaml:"time" json:"time"`   // of a training
	Spread Part     `yaml:"spread" json:"spread,omitempty"`
}

// Builtin is the embedded trainer, which really learns. How it trains is in run.train.
type Builtin struct {
	Time   Duration `yaml:"time" json:"time"` // of a training, in the simulator's time
	Spread Part     `yaml:"spread" json:"spread,omitempty"`
}

// Data is which of the embedded texts a site trains on, or which part of a script's file.
type Data struct {
	Partition Partition `yaml:"partition" json:"partition,omitempty"` // of a file: a plan of package deal
	Alpha     float64   `yaml:"alpha" json:"alpha,omitempty"`         // Dirichlet's
	Shards    Number    `yaml:"shards" json:"shards,omitempty"`       // of each site
	File      string    `yaml:"file" json:"file,omitempty"`           // of rows
	Label     string    `yaml:"label" json:"label,omitempty"`         // its column that the plan goes by; empty: one is guessed
}

// Partition is how the text is dealt out.
type Partition string

// The partitions.
const (
	BySource  Partition = "by-source" // every site has text of one kind; the kinds take turns
	Dirichlet Partition = "dirichlet" // every site's mix of kinds is drawn from Dirichlet(alpha)
	Shards    Partition = "shards"    // the text, sorted by kind, is cut and so many pieces dealt to each site
)

// Expect is what the scenario is held to; what is not said is not expected.
type Expect struct {
	Rounds     yamlfile.Count `yaml:"rounds" json:"rounds,omitempty"`         // committed, at least
	Finished   bool           `yaml:"finished" json:"finished,omitempty"`     // every honest site that is up has all rounds
	SameModel  bool           `yaml:"same_model" json:"same_model,omitempty"` // at every honest site, in every round
	LossBelow  float64        `yaml:"loss_below" json:"loss_below,omitempty"` // of the last model, on all kinds of text
	LossAbove  float64        `yaml:"loss_above" json:"loss_above,omitempty"` // for models that somebody spoils
	Better     bool           `yaml:"federated_better_than_alone" json:"federated_better_than_alone,omitempty"`
	BytesBelow Size           `yaml:"bytes_per_site_below" json:"bytes_per_site_below,omitempty"` // sent
	TimeBelow  Duration       `yaml:"time_below" json:"time_below,omitempty"`
	Stalled    []Span         `yaml:"stalled" json:"stalled,omitempty"`   // no round ends in it, and one does afterwards
	Progress   []Span         `yaml:"progress" json:"progress,omitempty"` // a round ends in it
	Liars      Names          `yaml:"liars" json:"liars,omitempty"`       // every honest site names these, and no others
}

// Span is a time between two times.
type Span struct {
	From Duration `yaml:"from" json:"from"`
	To   Duration `yaml:"to" json:"to"`
}

// Site is one site of a scenario.
type Site struct {
	Group *Group
	Name  string
}

// All returns the scenario's sites, group by group.
func (s *Scenario) All() []Site {
	var all []Site
	for i := range s.Sites {
		g := &s.Sites[i]
		if g.Count == 0 {
			all = append(all, Site{g, g.Name})
		}
		for n := range g.Count {
			all = append(all, Site{g, fmt.Sprintf("%s-%d", g.Name, n+1)})
		}
	}
	return all
}

// Quorum returns how many sites of the first roster decide.
func (s *Scenario) Quorum() int {
	n, f := len(s.All())-len(s.Outside()), 0
	if s.Faults == ledger.Byzantine {
		f = (n - 1) / 3
	}
	return (n+f)/2 + 1
}

// Find returns the indexes in All of the sites that a name means: a site's, or a group's.
func (s *Scenario) Find(name string) (found []int) {
	for i, site := range s.All() {
		if site.Name == name || site.Group.Name == name {
			found = append(found, i)
		}
	}
	return found
}
