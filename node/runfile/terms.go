package runfile

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/yamlfile"
)

// Terms is what a run is about, whatever its model: the fields that run files and scenario files share.
type Terms struct {
	Rounds      yamlfile.Count             `yaml:"rounds" json:"rounds"`
	Train       map[string]yamlfile.Value  `yaml:"train" json:"train,omitempty"`
	Rule        string                     `yaml:"rule" json:"rule,omitempty"`
	Outer       string                     `yaml:"outer" json:"outer,omitempty"`
	Params      map[string]yamlfile.Scalar `yaml:"params" json:"params,omitempty"`
	MinSites    yamlfile.Count             `yaml:"min_sites" json:"min_sites,omitempty"`
	Weights     Weights                    `yaml:"weights" json:"weights,omitempty"`
	SampleCap   yamlfile.Count             `yaml:"sample_cap" json:"sample_cap,omitempty"`
	Share       ledger.Share               `yaml:"share" json:"share,omitempty"`
	MaxChange   yamlfile.Scalar            `yaml:"max_change" json:"max_change,omitempty"`
	RoundTime   yamlfile.Scalar            `yaml:"round_time" json:"round_time,omitempty"`
	Attempts    yamlfile.Count             `yaml:"attempts" json:"attempts,omitempty"`
	Late        Late                       `yaml:"late" json:"late,omitzero"`
	KeepUpdates bool                       `yaml:"keep_updates" json:"keep_updates,omitempty"`
	Evaluate    yamlfile.Value             `yaml:"evaluate" json:"evaluate,omitempty"`
	Best        yamlfile.Value             `yaml:"best" json:"best,omitempty"`
	StopAfter   yamlfile.Count             `yaml:"stop_after" json:"stop_after,omitempty"`
	Cross       string                     `yaml:"cross_evaluate" json:"cross_evaluate,omitempty"`
}

// Weights says what a site's update weighs in the mean.
type Weights string

const (
	BySamples Weights = "samples" // its samples, capped
	Equal     Weights = "equal"   // as much as any other, which is a cap of one sample
)

// into sets the spec's cap; on error it returns the field that is at fault.
func (w Weights) into(s *ledger.RunSpec) (string, error) {
	switch w {
	case "", BySamples:
	case Equal:
		if s.SampleCap > 1 {
			return "sample_cap", errors.New("with weights: equal every site counts the same, and no cap means anything")
		}
		if s.Late != ledger.Drop && (s.Late != "" || s.LateDen > 0 || s.LateMax > 0) {
			return "late", errors.New("with weights: equal a late update would count as a part of one sample, which is none: policy drop")
		}
		s.SampleCap, s.Late = 1, ledger.Drop
	default:
		return "weights", fmt.Errorf("%.40q, want samples or equal", string(w))
	}
	return "", nil
}

// Late says what becomes of an update that misses its round.
type Late struct {
	Policy string          `yaml:"policy" json:"policy,omitempty"`
	Weight yamlfile.Scalar `yaml:"weight" json:"weight,omitempty"`
	Max    yamlfile.Count  `yaml:"max" json:"max,omitempty"`
}

// Spec returns the run's description without By, Base, Layout and Nonce, and with what the file leaves open still open, as the
// defaults depend on the mesh; on error it returns the field that is at fault.
func (t *Terms) Spec(name string) (s ledger.RunSpec, field string, err error) {
	s = ledger.RunSpec{
		Name: name, Rounds: uint64(t.Rounds), Rule: t.Rule, MinSites: uint64(t.MinSites), SampleCap: uint64(t.SampleCap), Attempts: max(1, uint64(t.Attempts)),
		KeepUpdates: t.KeepUpdates, Train: map[string]string{},
	}
	for k, v := range t.Train {
		s.Train[k] = string(v)
	}
	params := map[string]string{}
	for k, v := range t.Params {
		params[k] = string(v)
	}
	s.Strategy = ledger.NewStrategy(ledger.Method{Outer: t.Outer, Params: params})
	if t.Rounds == 0 {
		return s, "rounds", errors.New("missing; say how many, 1 or more")
	}
	if field, err := t.Late.into(&s); err != nil {
		return s, field, err
	}
	if field, err := t.Weights.into(&s); err != nil {
		return s, field, err
	}
	if s.Selection, field, err = t.selection(); err != nil {
		return s, field, err
	}
	if s.Bounds, field, err = t.bounds(); err != nil {
		return s, field, err
	}
	if s.Pace, err = t.pace(); err != nil {
		return s, "round_time", err
	}
	if _, err := reduction.Strategy(&s); err != nil {
		field, why := reduction.Wrong(err)
		return s, field, errors.New(why)
	}
	return s, "", nil
}

// into sets the spec's policy; on error it returns the field that is at fault.
func (l Late) into(s *ledger.RunSpec) (string, error) {
	switch s.Late = ledger.LatePolicy(l.Policy); s.Late {
	case "", ledger.Average, ledger.Carry:
	case ledger.Drop:
		if l.Weight != "" || l.Max != 0 {
			return "late", errors.New("weight and max belong to policy: average")
		}
	default:
		return "late.policy", fmt.Errorf("%q, want average or drop", l.Policy)
	}
	s.LateMax = uint64(l.Max)
	if l.Weight == "" {
		return "", nil
	}
	num, den, err := ratio(string(l.Weight))
	if err != nil {
		return "late.weight", err
	}
	s.LateNum, s.LateDen = num, den
	return "", nil
}

// ratio reads "1/2", or "0.5", as a ratio of integers: 0 < num <= den <= 1000.
func ratio(s string) (num, den uint64, err error) {
	bad := fmt.Errorf("%.20q, want a ratio such as 1/2, more than 0 and at most 1", s)
	if len(s) > 20 {
		return 0, 0, bad
	}
	if a, b, ok := strings.Cut(s, "/"); ok {
		num, err = strconv.ParseUint(strings.TrimSpace(a), 10, 32)
		if err == nil {
			den, err = strconv.ParseUint(strings.TrimSpace(b), 10, 32)
		}
	} else if strings.ContainsAny(s, "eE") {
		err = bad
	} else if r, ok := new(big.Rat).SetString(s); ok && r.Sign() > 0 {
		num, den = r.Num().Uint64(), r.Denom().Uint64()
	}
	if err != nil || num == 0 || num > den || den > 1000 {
		return 0, 0, bad
	}
	return num, den, nil
}
