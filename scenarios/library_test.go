package scenarios

import (
	"context"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestLibrary plays every scenario of the library at reduced size: small meshes, and a trainer that
// pretends where the file's learns. With WEFT_SCENARIOS=full, as in `make scenarios`, it plays them
// as they are.
func TestLibrary(t *testing.T) {
	all, err := Library()
	if err != nil || len(all) < 14 {
		t.Fatalf("%d scenarios, %v", len(all), err)
	}
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			if _, err := os.Stat("../docs/scenarios/" + s.Name + ".md"); err != nil {
				t.Error(err)
			}
			if !full() {
				reduce(t, s)
			}
			begun := time.Now()
			r, err := Simulate(context.Background(), s, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !r.Held() {
				t.Error(verdicts(r))
			}
			t.Logf("%d sites, %v in %v", len(r.Sites), short(r.Took), short(time.Since(begun)))
		})
	}
}

// full reports whether tests may take minutes.
func full() bool { return os.Getenv("WEFT_SCENARIOS") == "full" }

func reduce(t *testing.T, s *Scenario) {
	if b := s.Trainer.Builtin; b != nil {
		s.Trainer = Trainer{Synthetic: &Synthetic{Bytes: 1e6, Time: b.Time, Spread: b.Spread}}
		s.Data, s.Expect.LossAbove, s.Expect.LossBelow, s.Expect.Better = Data{}, 0, 0, false
	}
	if s.Trainer.Time() > 10*time.Minute {
		s.Hurry(20) // days of idling take their time
	}
	if len(s.All()) > 32 {
		if err := s.Resize(16); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDocumented: the page has the template, and every field that a file can have.
func TestDocumented(t *testing.T) {
	b, err := os.ReadFile("../docs/scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	before, after, found := strings.Cut(string(b), "```yaml\n"+Template()+"```\n")
	if !found {
		t.Error("the sample file is not the template")
	}
	prose := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(before+after, "")
	var code strings.Builder
	for _, span := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(prose, -1) {
		code.WriteString(span[1] + "\n")
	}
	for _, field := range fields(reflect.TypeFor[Scenario]()) {
		if !regexp.MustCompile(`\b` + field + `\b`).MatchString(code.String()) {
			t.Errorf("%s is not documented", field)
		}
	}
}

// fields lists the names of a type's fields in a file, and those of the types in it.
func fields(t reflect.Type) (names []string) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return fields(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ","); name != "-" {
				names = append(append(names, name), fields(t.Field(i).Type)...)
			}
		}
	}
	return names
}

// TestTemplateComments: what the template has in comments are fields too.
func TestTemplateComments(t *testing.T) {
	lines := strings.Split(Template(), "\n")
	commented := regexp.MustCompile(`^( *)# ((- \{)?[a-z_]+: .*)$`)
	tried := 0
	for i, line := range lines {
		if !commented.MatchString(line) {
			continue
		}
		tried++
		with := slices.Clone(lines)
		with[i] = commented.ReplaceAllString(line, "$1$2")
		_, err := Parse("template.yaml", []byte(strings.Join(with, "\n")))
		if err != nil && strings.Contains(err.Error(), "unknown field") { // builtin and data do not go with synthetic
			t.Errorf("%s: %v", line, err)
		}
	}
	if tried != 7 {
		t.Errorf("%d lines", tried)
	}
}

func TestTemplate(t *testing.T) {
	s, err := Parse("template.yaml", []byte(Template()))
	if err != nil {
		t.Fatal(err)
	}
	if r := play1(t, s); !r.Held() {
		t.Error(verdicts(r))
	}
}
