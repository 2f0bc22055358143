package runfile

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/yamlfile"
)

// selection returns what the terms say of evaluation and the best model; on error also the field that is at fault.
func (t *Terms) selection() (s ledger.Selection, field string, err error) {
	terms := ledger.Terms{StopAfter: uint64(t.StopAfter), Cross: ledger.Cross(t.Cross)}
	if terms.Every, err = every(t.Evaluate); err != nil {
		return s, "evaluate", err
	}
	if t.Best != "" {
		if terms.Best, err = best(t.Best); err != nil {
			return s, "best", err
		}
	}
	switch {
	case t.Cross != "" && terms.Cross != ledger.CrossLast:
		return s, "cross_evaluate", fmt.Errorf("%.40q, want last: the updates of the last round", t.Cross)
	case t.Cross != "" && terms.Every != nil && *terms.Every == 0:
		return s, "cross_evaluate", errors.New("with evaluate: false no site measures anything")
	}
	if t.StopAfter > 0 && t.Best == "" {
		return s, "stop_after", errors.New("best is missing, which says when a model is better than another")
	}
	if t.StopAfter > ledger.MaxRounds {
		return s, "stop_after", fmt.Errorf("%d models, at most %d", t.StopAfter, uint64(ledger.MaxRounds))
	}
	if err := terms.Check(); err != nil {
		return s, "best", err
	}
	return ledger.NewSelection(terms), "", nil
}

// every reads how many models lie between two that the sites measure; nil: as each site likes.
func every(v yamlfile.Value) (*uint64, error) {
	one, none := uint64(1), uint64(0)
	switch v {
	case "":
		return nil, nil
	case "true":
		return &one, nil
	case "false":
		return &none, nil
	}
	var f struct {
		Every uint64 `json:"every"`
	}
	if err := decode(v, &f); err != nil || f.Every == 0 || f.Every > ledger.MaxRounds {
		return nil, fmt.Errorf("%.40q, want true, false, or {every: 5} for every fifth model", string(v))
	}
	return &f.Every, nil
}

// best reads by which figure models are compared.
func best(v yamlfile.Value) (*ledger.Best, error) {
	if !strings.HasPrefix(string(v), "{") {
		return ParseBest(string(v))
	}
	var f struct {
		Metric   string  `json:"metric"`
		Mode     string  `json:"mode"`
		By       string  `json:"by"`
		MinDelta float64 `json:"min_delta"`
	}
	if err := decode(v, &f); err != nil {
		return nil, fmt.Errorf("%s: want metric, mode (min or max), by (mean or median) and min_delta", strings.TrimPrefix(err.Error(), "json: "))
	}
	return &ledger.Best{Metric: f.Metric, Mode: ledger.Mode(f.Mode), By: ledger.By(cmp.Or(f.By, string(ledger.ByMean))), MinDelta: f.MinDelta}, nil
}

// ParseBest reads METRIC:min or METRIC:max; what the sites find counts by their samples.
func ParseBest(text string) (*ledger.Best, error) {
	i := strings.LastIndexByte(text, ':') // a metric's name may have one too
	if i <= 0 || text[i+1:] != string(ledger.Min) && text[i+1:] != string(ledger.Max) {
		return nil, fmt.Errorf("%.40q, want METRIC:max or METRIC:min, such as accuracy:max", text)
	}
	return &ledger.Best{Metric: text[:i], Mode: ledger.Mode(text[i+1:]), By: ledger.ByMean}, nil
}

// decode reads an object that has no other fields.
func decode(v yamlfile.Value, to any) error {
	d := json.NewDecoder(bytes.NewReader([]byte(v)))
	d.DisallowUnknownFields()
	return d.Decode(to)
}
