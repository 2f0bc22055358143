package aggregate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Param is a number that a rule or an outer step takes from the run description.
type Param struct {
	Name    string `json:"name"`
	Doc     string `json:"doc"`            // one line
	Default string `json:"default"`        // as a run would write it
	Range   string `json:"range"`          // an interval, such as "[0, 1)"
	Word    string `json:"word,omitempty"` // may stand in place of a number, such as "median"
}

// Values are the parameters of one rule or outer step, each with its value or its default.
type Values struct{ of map[string]value }

type value struct {
	number float64
	word   bool
}

// Float returns the value of a parameter, which must be a number. It panics for a name that was not registered.
func (v Values) Float(name string) float64 { return v.get(name).number }

// IsWord reports whether the parameter has its word as value. It panics for a name that was not registered.
func (v Values) IsWord(name string) bool { return v.get(name).word }

func (v Values) get(name string) value {
	x, ok := v.of[name]
	if !ok {
		panic(fmt.Sprintf("aggregate: parameter %q is not registered", name))
	}
	return x
}

// decimal is how numbers are written: what strconv reads besides (hexadecimal, underscores, names) has no place in a run
// description.
var decimal = regexp.MustCompile(`^-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?$`)

// maxText bounds the text of a value: more digits than a float64 has serve nobody.
const maxText = 32

// parse reads the value of a parameter. What is wrong with it comes back as text.
func (p Param) parse(text string) (v value, wrong string) {
	if p.Word != "" && text == p.Word {
		return value{word: true}, ""
	}
	or := ""
	if p.Word != "" {
		or = fmt.Sprintf(", or %q", p.Word)
	}
	if len(text) > maxText || !decimal.MatchString(text) {
		return v, fmt.Sprintf("%.40q is no decimal number%s", text, or)
	}
	x, err := strconv.ParseFloat(text, 64)
	in, known := parseInterval(p.Range)
	if !known {
		return v, fmt.Sprintf("registered with %q, which is no interval", p.Range)
	}
	if err != nil || !in.contains(x) {
		return v, fmt.Sprintf("%s is not in %s%s", text, p.Range, or)
	}
	return value{number: x}, ""
}

// interval is a range of numbers, each end in it or not.
type interval struct {
	low, high         float64
	lowOpen, highOpen bool
}

func (in interval) contains(x float64) bool {
	return (in.low < x || !in.lowOpen && in.low == x) && (x < in.high || !in.highOpen && x == in.high)
}

// parseInterval reads an interval as mathematicians write it: [0, 1) has 0 in it and 1 not.
func parseInterval(text string) (in interval, ok bool) {
	if len(text) < 2 || !strings.ContainsAny(text[:1], "[(") || !strings.ContainsAny(text[len(text)-1:], ")]") {
		return in, false
	}
	low, high, _ := strings.Cut(text[1:len(text)-1], ", ")
	var err error
	if in.low, err = strconv.ParseFloat(low, 64); err != nil {
		return in, false
	}
	if in.high, err = strconv.ParseFloat(high, 64); err != nil {
		return in, false
	}
	in.lowOpen, in.highOpen = text[0] == '(', text[len(text)-1] == ')'
	return in, in.low < in.high
}

// valuesOf returns the values of the parameters, of those that texts has and of the others' defaults.
func valuesOf(params []Param, texts map[string]string) (Values, error) {
	v := Values{map[string]value{}}
	for _, p := range params {
		text, given := texts[p.Name]
		if !given {
			text = p.Default
		}
		x, wrong := p.parse(text)
		if wrong != "" {
			return v, &SpecError{Field: "params." + p.Name, Why: wrong}
		}
		v.of[p.Name] = x
	}
	return v, nil
}

// onlyKnown refuses texts of parameters that neither the rule nor the outer step has.
func onlyKnown(texts map[string]string, rule, outer Entry) error {
	var known []string
	for _, p := range slices.Concat(rule.Params, outer.Params) {
		known = append(known, p.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if !slices.Contains(known, name) {
			return &SpecError{
				Field: fmt.Sprintf("params.%.40s", name),
				Why:   fmt.Sprintf("rule %s with outer %s takes %s", rule.Name, outer.Name, listed(known, "no parameters")),
			}
		}
	}
	return nil
}

// listed writes names as a list, or none.
func listed(names []string, none string) string {
	if len(names) == 0 {
		return none
	}
	return strings.Join(slices.Sorted(slices.Values(names)), ", ")
}
