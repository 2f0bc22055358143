package server

import (
	"bytes"
	"encoding"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3gen"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
)

var rewrite = flag.Bool("rewrite", false, "write openapi.json anew")

// call is one of the local API.
type call struct {
	pattern string
	says    string
	query   map[string]string // parameters, and what they mean
	in, out any               // bodies; nil: none, or no JSON
	kind    string            // of an answer that is no JSON
}

var fromTo = map[string]string{"from": "number of the first", "limit": "how many at most"}

var calls = []call{
	{"GET /v1/status", "Where the site stands, with the newest round of each run.", nil, nil, api.Status{}, ""},
	{"GET /v1/peers", "The other sites.", nil, nil, []api.Peer{}, ""},
	{"GET /v1/ledger", "Decided entries, ascending.", fromTo, nil, []api.LedgerEntry{}, ""},
	{"GET /v1/events", "What the protocol did: JSON lines, or server-sent events with Accept: text/event-stream, which begin after Last-Event-ID. An event \"lost\" says how many before it are no longer in memory.",
		map[string]string{"from": "number of the first", "follow": "1: also those to come"}, nil, nil, "application/x-ndjson"},
	{"GET /v1/blocks/{cid}", "A block's bytes.", nil, nil, nil, "application/octet-stream"},
	{"GET /v1/models/{manifest}", "A model as a safetensors file.", map[string]string{"run": "with what the model of this run has beside its weights"}, nil, nil, "application/octet-stream"},
	{"GET /v1/runs/{run}/rounds", "A page of a run's committed rounds, ascending.", fromTo, nil, api.Rounds{}, ""},
	{"GET /v1/runs/{run}/steps", "The curves of this site's trainings, the oldest first.", nil, nil, []api.TrainingSteps{}, ""},
	{"POST /v1/runs", "Asks for a run.", nil, api.RunRequest{}, api.RunReply{}, ""},
	{"POST /v1/runs/{run}/consent", "Answers whether this site takes part.", nil, api.Consent{}, struct{}{}, ""},
	{"POST /v1/runs/{run}/stop", "Asks the mesh to end a run, or takes back what this site asks for.", nil, api.Stop{}, struct{}{}, ""},
	{"POST /v1/runs/{run}/evaluate", "Has the site's trainer measure a model, and waits for it.", nil, api.EvaluateRequest{}, api.Evaluation{}, ""},
	{"POST /v1/runs/{run}/generate", "Has the site's trainer generate text, and waits for it.", nil, api.GenerateRequest{}, api.Generated{}, ""},
	{"GET /v1/roster", "The sites of the mesh and the changes that are asked for.", nil, nil, api.Roster{}, ""},
	{"POST /v1/roster", "Says the operator's yes to a change of the roster, or takes it back.", nil, api.ChangeRequest{}, api.RosterChange{}, ""},
	{"GET /v1/openapi.json", "This document.", nil, nil, nil, "application/json"},
	{"GET /metrics", "Prometheus metrics.", nil, nil, nil, "text/plain"},
	{"GET /healthz", "The node is alive; 503 if a restart may help.", nil, nil, api.Health{}, ""},
	{"GET /readyz", "Nothing keeps the site from going on; 503 if something does.", nil, nil, api.Health{}, ""},
}

// TestOpenAPI: openapi.json describes every call and every type, as they are.
func TestOpenAPI(t *testing.T) {
	var served, described []string
	for _, file := range []string{"server.go", "watchers.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"((?:GET|POST) /[^"]*)"`).FindAllStringSubmatch(string(source), -1) {
			served = append(served, m[1])
		}
	}
	for _, c := range calls {
		described = append(described, c.pattern)
	}
	slices.Sort(served)
	slices.Sort(described)
	if !slices.Equal(served, described) {
		t.Errorf("served are\n%s\ndescribed are\n%s", strings.Join(served, "\n"), strings.Join(described, "\n"))
	}
	want, err := json.MarshalIndent(describe(t), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if doc, err := openapi3.NewLoader().LoadFromData(want); err != nil {
		t.Error(err)
	} else if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	want = append(want, '\n')
	if *rewrite {
		if err := os.WriteFile("openapi.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
	} else if !bytes.Equal(openAPI, want) {
		t.Error("openapi.json describes another API: go test ./node/api/server -run OpenAPI -rewrite")
	}
}

// describe makes the document.
func describe(t *testing.T) *openapi3.T {
	doc := &openapi3.T{
		OpenAPI: "3.0.3",
		Info: &openapi3.Info{
			Title: "weft: the local API of a site's node", Version: "1",
			Description: "HTTP on the Unix socket api.sock in the site's directory. Durations are in nanoseconds; CIDs and peer IDs are text. An error is a status of 400 or more with Error as its body. What a later version adds, a client passes over.",
		},
		Components: &openapi3.Components{Schemas: openapi3.Schemas{}}, Paths: openapi3.NewPaths(),
	}
	types := map[string]reflect.Type{}
	gen := openapi3gen.NewGenerator(openapi3gen.SchemaCustomizer(customize), openapi3gen.CreateComponentSchemas(openapi3gen.ExportComponentSchemasOptions{ExportComponentSchemas: true, ExportTopLevelSchema: true}),
		openapi3gen.CreateTypeNameGenerator(func(t reflect.Type) string {
			types[t.Name()] = t
			return t.Name()
		}))
	schema := func(v any) *openapi3.SchemaRef {
		ref, err := gen.NewSchemaRefForValue(v, doc.Components.Schemas)
		if err != nil {
			t.Fatal(err)
		}
		return ref
	}
	failed := openapi3.NewResponse().WithDescription("refused, or failed").WithContent(openapi3.NewContentWithJSONSchemaRef(schema(api.Error{})))
	for _, c := range calls {
		method, path, _ := strings.Cut(c.pattern, " ")
		op := &openapi3.Operation{Summary: c.says, OperationID: operationID(method, path), Responses: openapi3.NewResponses()}
		for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
			op.AddParameter(openapi3.NewPathParameter(m[1]).WithSchema(openapi3.NewStringSchema()).WithDescription("a CID"))
		}
		for _, name := range slices.Sorted(maps.Keys(c.query)) {
			op.AddParameter(openapi3.NewQueryParameter(name).WithSchema(openapi3.NewStringSchema()).WithDescription(c.query[name]))
		}
		if c.in != nil {
			op.RequestBody = &openapi3.RequestBodyRef{Value: openapi3.NewRequestBody().WithRequired(true).WithContent(openapi3.NewContentWithJSONSchemaRef(schema(c.in)))}
		}
		ok := openapi3.NewResponse().WithDescription("done")
		if c.out != nil {
			ok.WithContent(openapi3.NewContentWithJSONSchemaRef(schema(c.out)))
		} else {
			ok.WithContent(openapi3.Content{c.kind: openapi3.NewMediaType()})
		}
		op.Responses = openapi3.NewResponses(openapi3.WithStatus(200, &openapi3.ResponseRef{Value: ok}), openapi3.WithName("default", failed))
		item := doc.Paths.Value(path)
		if item == nil {
			item = &openapi3.PathItem{}
			doc.Paths.Set(path, item)
		}
		item.SetOperation(method, op)
	}
	cid := openapi3.NewStringSchema()
	cid.Description = "CIDv1 in base32: codec raw or dag-cbor, BLAKE3-256."
	doc.Components.Schemas["CID"] = openapi3.NewSchemaRef("", cid)
	comment(t, doc.Components.Schemas, types)
	return doc
}

func operationID(method, path string) string {
	return strings.ToLower(method) + strings.NewReplacer("/v1", "", "/", "-", "{", "", "}", "", ".", "-").Replace(path)
}

var (
	asText = reflect.TypeFor[encoding.TextMarshaler]()
	asJSON = reflect.TypeFor[json.Marshaler]()
)

// customize describes types by what they are written as.
func customize(_ string, t reflect.Type, _ reflect.StructTag, s *openapi3.Schema) error {
	is := func(i reflect.Type) bool { return t.Implements(i) || reflect.PointerTo(t).Implements(i) }
	switch {
	case t == reflect.TypeFor[time.Time](), t == reflect.TypeFor[api.RunRequest](), t.Kind() == reflect.Pointer:
	case t == reflect.TypeFor[time.Duration]():
		*s = *openapi3.NewInt64Schema().WithFormat("nanoseconds")
	case is(asJSON) && t.Name() != "ID" && !is(asText):
		*s = *openapi3.NewObjectSchema().WithAnyAdditionalProperties()
	case is(asText), t.Kind() == reflect.String:
		*s = *openapi3.NewStringSchema()
	case t == reflect.TypeFor[ledger.Entry](), t == reflect.TypeFor[ledger.Certificate](), t.Kind() == reflect.Interface:
		*s = *openapi3.NewObjectSchema().WithAnyAdditionalProperties()
	case t.Kind() == reflect.Uint64:
		*s = *openapi3.NewIntegerSchema().WithFormat("uint64").WithMin(0)
	}
	return nil
}

// comment adds what the sources say of types and their fields.
func comment(t *testing.T, schemas openapi3.Schemas, types map[string]reflect.Type) {
	text := comments(t, "..", "../../../ledger")
	for name, s := range schemas {
		if text[name] != "" {
			s.Value.Description = text[name]
		}
		typ := types[name]
		if typ == nil || typ.Kind() != reflect.Struct {
			continue
		}
		for i := range typ.NumField() {
			f := typ.Field(i)
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if p := s.Value.Properties[key]; p != nil && p.Ref == "" {
				described := *p.Value
				described.Description = text[name+"."+f.Name]
				s.Value.Properties[key] = openapi3.NewSchemaRef("", &described)
			}
		}
	}
}

// comments returns the comments on types and their fields.
func comments(t *testing.T, dirs ...string) map[string]string {
	text := map[string]string{}
	line := func(g *ast.CommentGroup) string { return strings.Join(strings.Fields(g.Text()), " ") }
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				d, ok := n.(*ast.GenDecl)
				if !ok || d.Tok != token.TYPE {
					return true
				}
				for _, spec := range d.Specs {
					named := spec.(*ast.TypeSpec)
					text[named.Name.Name] = line(d.Doc)
					if s, ok := named.Type.(*ast.StructType); ok {
						for _, f := range s.Fields.List {
							for _, name := range f.Names {
								text[fmt.Sprintf("%s.%s", named.Name.Name, name.Name)] = line(f.Comment)
							}
						}
					}
				}
				return true
			})
		}
	}
	return text
}
