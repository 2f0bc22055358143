package scenarios

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/scenarios/deal"
	"github.com/weft-mesh/weft/scenarios/sim"
	"github.com/weft-mesh/weft/yamlfile"
)

// ErrScenario is returned for a file that is not a valid scenario; the text names file and line.
var ErrScenario = errors.New("not a valid scenario")

// Limits on a scenario.
const (
	MaxFile   = 64 << 10 // bytes
	MaxSites  = 256
	maxRounds = 10_000
	maxFaults = 10_000 // on the timeline, repetitions counted
)

// What a file that does not say it gets.
const (
	defaultUntil = Duration(24 * time.Hour)
	defaultDisk  = Duration(5 * time.Millisecond)
)

// Parse reads a scenario file. name is its path, for errors.
func Parse(name string, data []byte) (*Scenario, error) {
	var s Scenario
	f, err := yamlfile.Decode(name, data, MaxFile, &s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrScenario, err)
	}
	s.fill()
	if field, err := s.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrScenario, f.Wrong(field, "%v", err))
	}
	return &s, nil
}

// Validate fills in what the scenario leaves open and says what is wrong with it, if anything.
func (s *Scenario) Validate() error {
	s.fill()
	if key, err := s.check(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrScenario, key, err)
	}
	return nil
}

func (s *Scenario) fill() {
	if s.Faults == "" {
		s.Faults = ledger.Byzantine
	}
	if s.Seed == 0 {
		s.Seed = 1
	}
	if s.Until == 0 {
		s.Until = defaultUntil
	}
	for i := range s.Sites {
		g := &s.Sites[i]
		if g.Link == (Link{}) {
			g.Link = Profiles["lan"]
		}
		if g.Disk == 0 {
			g.Disk = defaultDisk
		}
		if g.Speed == 0 {
			g.Speed = 1
		}
	}
	if s.Trainer.Builtin != nil && s.Data.Partition == "" {
		s.Data.Partition = BySource
	}
	if s.Data.File != "" && s.Data.Partition == "" {
		s.Data.Partition = Partition(deal.IID)
	}
}

var goodName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// check returns the first thing that is wrong, and the key that is at fault.
func (s *Scenario) check() (string, error) {
	if !goodName.MatchString(s.Name) {
		return "name", errors.New("want small letters, digits and dashes, such as three-hospitals")
	}
	if s.Faults != ledger.Byzantine && s.Faults != ledger.Crash {
		return "faults", fmt.Errorf("%q, want byzantine or crash", s.Faults)
	}
	for _, part := range []func() (string, error){s.checkSites, s.checkTrainer, s.checkRun, s.checkTimeline, s.checkExpect} {
		if key, err := part(); err != nil {
			return key, err
		}
	}
	return "", nil
}

func (s *Scenario) checkSites() (string, error) {
	for i := range s.Sites {
		g := &s.Sites[i]
		key := fmt.Sprintf("sites[%d]", i)
		switch {
		case !goodName.MatchString(g.Name):
			return key + ".name", errors.New("want small letters, digits and dashes, such as hospital-north")
		case g.Count < 0 || g.Count > MaxSites:
			return key + ".count", fmt.Errorf("%d, want 1 to %d", g.Count, MaxSites)
		case g.Region != "" && !slices.Contains(Regions(), g.Region):
			return key + ".region", fmt.Errorf("no region %q; there are %s", g.Region, strings.Join(Regions(), ", "))
		case g.Adversary != "" && !slices.Contains(sim.AdversaryNames(), g.Adversary):
			return key + ".adversary", fmt.Errorf("no adversary %q; there are %s", g.Adversary, strings.Join(sim.AdversaryNames(), ", "))
		}
	}
	if n := s.size(); n == 0 || n > MaxSites {
		return "sites", fmt.Errorf("%d in all, want 1 to %d", n, MaxSites)
	}
	seen := map[string]bool{}
	for _, site := range s.All() {
		if seen[site.Name] {
			return "sites", fmt.Errorf("two are named %s", site.Name)
		}
		seen[site.Name] = true
	}
	for i, g := range s.Sites {
		if g.Count > 0 && seen[g.Name] {
			return fmt.Sprintf("sites[%d].name", i), fmt.Errorf("%s is a site's name already", g.Name)
		}
		seen[g.Name] = true
	}
	return "", nil
}

func (s *Scenario) checkTrainer() (string, error) {
	y, b, d := s.Trainer.Synthetic, s.Trainer.Builtin, s.Data
	if b != nil && s.Run.RoundTime != "" { // virtual time cannot tell how many of its steps a bell leaves
		return "run.round_time", errors.New("want a synthetic trainer, or a script")
	}
	switch x := s.Trainer.Exec; {
	case y != nil && b == nil && x == nil:
		return y.check(d)
	case x != nil && y == nil && b == nil:
		return s.checkScript()
	case b == nil || y != nil || x != nil:
		return "trainer", errors.New("want one of synthetic: {bytes: 1 MB, time: 10s}, builtin: {time: 60s} and exec: [python3, train.py]")
	}
	switch {
	case b.Time <= 0:
		return "trainer.builtin.time", errors.New("want how long a training takes, such as 60s")
	case d.Partition != BySource && d.Partition != Dirichlet && d.Partition != Shards:
		return "data.partition", fmt.Errorf("%q, want by-source, dirichlet or shards", d.Partition)
	case d.Partition == Dirichlet && !(d.Alpha >= 0.001 && d.Alpha <= 1e6):
		return "data.alpha", fmt.Errorf("%v, want more than 0: 0.1 for sites that differ much, 10 for sites that are alike", d.Alpha)
	case d.Partition != Dirichlet && d.Alpha != 0:
		return "data.alpha", errors.New("goes with partition: dirichlet")
	case d.Partition == Shards && (d.Shards < 1 || d.Shards > 16):
		return "data.shards", fmt.Errorf("%d, want 1 to 16 of each site", d.Shards)
	case d.Partition != Shards && d.Shards != 0:
		return "data.shards", errors.New("goes with partition: shards")
	case d.File != "" || d.Label != "":
		return "data", errors.New("file and label go with a script: trainer: {exec: [python3, train.py, '{data}']}")
	}
	return "", nil
}

func (y *Synthetic) check(d Data) (string, error) {
	switch {
	case y.Bytes < 4:
		return "trainer.synthetic.bytes", errors.New("want the size of a model, such as 1 MB")
	case y.Time <= 0:
		return "trainer.synthetic.time", errors.New("want how long a training takes, such as 10s")
	case d != Data{}:
		return "data", errors.New("a synthetic trainer has no data")
	}
	return "", nil
}

// checkScript looks at a user's script and its data.
func (s *Scenario) checkScript() (string, error) {
	x, d := s.Trainer.Exec, s.Data
	if len(x) == 0 || x[0] == "" {
		return "trainer.exec", errors.New("want a command, such as [python3, train.py]")
	}
	for i, g := range s.Sites {
		if g.Speed != 1 {
			return fmt.Sprintf("sites[%d].speed", i), errors.New("a script trains as fast as this machine lets it")
		}
	}
	wants := slices.ContainsFunc(x, func(arg string) bool { return strings.Contains(arg, "{data}") })
	switch {
	case d.Alpha != 0 || d.Shards != 0:
		return "data", errors.New("of a script's file partition says all: iid, dirichlet:0.5 or label:2")
	case d.File == "" && d != Data{}:
		return "data.file", errors.New("want the file of rows that is dealt out")
	case d.File == "" && wants:
		return "data.file", errors.New("{data} in the command stands for a site's part of it")
	case d.File != "" && !wants:
		return "trainer.exec", errors.New("it does not say where the script gets the site's part of data.file: put '{data}' there")
	case d.File != "":
		if _, err := deal.ParsePlan(string(d.Partition)); err != nil {
			return "data.partition", err
		}
	}
	return "", nil
}

func (s *Scenario) checkRun() (string, error) {
	if s.Run.Rounds > maxRounds {
		return "run.rounds", fmt.Errorf("%d, at most %d", s.Run.Rounds, maxRounds)
	}
	if _, key, err := s.Run.Spec(s.Name); err != nil {
		return "run." + key, err
	}
	if n := yamlfile.Count(len(s.All())); s.Run.MinSites > n {
		return "run.min_sites", fmt.Errorf("%d, more than the %d sites", s.Run.MinSites, n)
	}
	return "", nil
}

const wantLoss = "want a loss in nats per byte, such as 1.7"

// WorstLoss stands for all that is worse, infinity and no number among it: guessing bytes costs 5.5.
const WorstLoss = 100

// likely reports whether a loss can come of a model; 0: it is not said.
func likely(loss float64) bool { return loss >= 0 && loss <= WorstLoss }

func (s *Scenario) checkExpect() (string, error) {
	e := &s.Expect
	learns := s.Trainer.Builtin != nil
	switch {
	case e.Rounds > s.Run.Rounds:
		return "expect.rounds", fmt.Errorf("%d, but the run has %d", e.Rounds, s.Run.Rounds)
	case !likely(e.LossBelow):
		return "expect.loss_below", fmt.Errorf("%v, %s", e.LossBelow, wantLoss)
	case !likely(e.LossAbove):
		return "expect.loss_above", fmt.Errorf("%v, %s", e.LossAbove, wantLoss)
	case e.LossBelow != 0 && !learns:
		return "expect.loss_below", errors.New("only the builtin trainer learns")
	case e.LossAbove != 0 && !learns:
		return "expect.loss_above", errors.New("only the builtin trainer learns")
	case e.Better && !learns:
		return "expect.federated_better_than_alone", errors.New("only the builtin trainer learns")
	}
	for key, spans := range map[string][]Span{"stalled": e.Stalled, "progress": e.Progress} {
		for i, span := range spans {
			if span.To <= span.From {
				return fmt.Sprintf("expect.%s[%d]", key, i), fmt.Errorf("ends at %v, begins at %v", span.To, span.From)
			}
			if span.From >= s.Until {
				return fmt.Sprintf("expect.%s[%d]", key, i), fmt.Errorf("begins at %v, but the scenario ends at %v: raise until", span.From, s.Until)
			}
		}
	}
	for i, name := range e.Liars {
		if len(s.Find(name)) == 0 {
			return fmt.Sprintf("expect.liars[%d]", i), fmt.Errorf("no site or group %q", name)
		}
	}
	return "", nil
}
