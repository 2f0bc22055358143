package weft

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// maxMethods is how many methods a type may have, those included that come from embedded types of this module.
// A type with more does several things: divide it.
const maxMethods = 50

// rooms are the packages whose types keep to themselves: nothing in them points back to what holds it, and
// nobody but a type assigns its fields.
var rooms = []string{"ledger", "consensus", "round/peerlog", "round/membership", "round/runs", "round", "node", "node/api", "node/api/server", "node/archive", "node/config", "node/index", "node/jobs", "node/reduction", "node/site", "node/wal"}

// pkg is a package of this module, type-checked from its source, without tests.
type pkg struct {
	name  string // its folder
	files []*ast.File
	types *types.Package
	info  *types.Info
}

// positions are those of all source files that were read.
var positions = token.NewFileSet()

// loaded reads the module once for all tests. What it imports comes from the build cache.
var loaded = sync.OnceValues(func() ([]*pkg, error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export,Dir,GoFiles,ImportMap,Module", "./...")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%v: %w", cmd, err)
	}
	type listed struct {
		ImportPath, Export, Dir string
		GoFiles                 []string
		ImportMap               map[string]string
		Module                  *struct{ Main bool }
	}
	export, mapped := map[string]string{}, map[string]string{}
	var own []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		export[l.ImportPath] = l.Export
		maps.Copy(mapped, l.ImportMap)
		if l.Module != nil && l.Module.Main {
			own = append(own, l)
		}
	}
	imports := importer.ForCompiler(positions, "gc", func(path string) (io.ReadCloser, error) {
		if to := mapped[path]; to != "" {
			path = to
		}
		return os.Open(export[path])
	})
	var list []*pkg
	for _, l := range own {
		p := &pkg{name: strings.TrimPrefix(l.ImportPath, module), info: &types.Info{
			Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}, Types: map[ast.Expr]types.TypeAndValue{},
		}}
		for _, name := range l.GoFiles {
			file, err := parser.ParseFile(positions, filepath.Join(l.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			p.files = append(p.files, file)
		}
		conf := types.Config{Importer: imports}
		if p.types, err = conf.Check(l.ImportPath, positions, p.files, p.info); err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
})

func load(t *testing.T) []*pkg {
	t.Helper()
	list, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// named returns the types that a package declares, in order.
func (p *pkg) named() (list []*types.Named) {
	for _, name := range p.types.Scope().Names() {
		if o, ok := p.types.Scope().Lookup(name).(*types.TypeName); ok && !o.IsAlias() {
			if n, ok := o.Type().(*types.Named); ok {
				list = append(list, n)
			}
		}
	}
	return list
}

// name writes a type as people do: runs.state.
func name(n *types.Named) string {
	return strings.TrimPrefix(n.Obj().Pkg().Path(), module) + "." + n.Obj().Name()
}

// TestMethods: no type has more methods than a reader can keep in mind.
func TestMethods(t *testing.T) {
	for _, p := range load(t) {
		for _, n := range p.named() {
			if _, ok := n.Underlying().(*types.Interface); ok {
				continue
			}
			count := 0
			for m := range types.NewMethodSet(types.NewPointer(n)).Methods() {
				if of := m.Obj().Pkg(); of != nil && strings.HasPrefix(of.Path()+"/", module) {
					count++
				}
			}
			if count <= maxMethods {
				continue
			}
			t.Errorf("%s has %d methods, at most %d", name(n), count, maxMethods)
		}
	}
}

// TestOwners: no struct has a pointer to the one that holds it. Who needs something of its owner is given that.
func TestOwners(t *testing.T) {
	for _, p := range load(t) {
		if !slices.Contains(rooms, p.name) {
			continue
		}
		for _, owned := range p.named() {
			for owner := range pointers(owned) {
				if owner != owned && holds(owner, owned) {
					t.Errorf("%s points to %s, which holds it", name(owned), name(owner))
				}
			}
		}
	}
}

// pointers returns the types of this module to which a struct has a pointer.
func pointers(n *types.Named) map[*types.Named]bool {
	to := map[*types.Named]bool{}
	eachField(n, func(f types.Type) {
		if p, ok := f.(*types.Pointer); ok {
			if n, ok := types.Unalias(p.Elem()).(*types.Named); ok && n.Obj().Pkg() != nil && strings.HasPrefix(n.Obj().Pkg().Path(), module) {
				to[n.Origin()] = true
			}
		}
	})
	return to
}

// holds reports whether a struct has another in a field: itself, or by a pointer, slice or map.
func holds(owner, owned *types.Named) (yes bool) {
	var in func(t types.Type) bool
	in = func(t types.Type) bool {
		switch t := types.Unalias(t).(type) {
		case *types.Named:
			if t.Origin() == owned {
				return true
			}
			switch t.Underlying().(type) {
			case *types.Slice, *types.Array, *types.Map: // a list with a name
				return in(t.Underlying())
			}
		case *types.Pointer:
			return in(t.Elem())
		case *types.Slice:
			return in(t.Elem())
		case *types.Array:
			return in(t.Elem())
		case *types.Map:
			return in(t.Key()) || in(t.Elem())
		case *types.Chan:
			return in(t.Elem())
		}
		return false
	}
	eachField(owner, func(f types.Type) { yes = yes || in(f) })
	return yes
}

func eachField(n *types.Named, f func(types.Type)) {
	if s, ok := n.Underlying().(*types.Struct); ok {
		for field := range s.Fields() {
			f(field.Type())
		}
	}
}

// TestFields: unexported fields are assigned by methods of their type and by functions that return it, in
// whichever file. What a map or slice in a field holds counts as the field's.
func TestFields(t *testing.T) {
	for _, p := range load(t) {
		if !slices.Contains(rooms, p.name) {
			continue
		}
		for _, file := range p.files {
			for _, d := range file.Decls {
				f, ok := d.(*ast.FuncDecl)
				if !ok || f.Body == nil {
					continue
				}
				may := p.assigners(f)
				p.assignments(f.Body, func(at ast.Expr, owner *types.Named, field string) {
					if may[owner] {
						return
					}
					t.Errorf("%s: %s assigns %s.%s", positions.Position(at.Pos()), f.Name.Name, name(owner), field)
				})
			}
		}
	}
}

// assigners returns the types whose fields a function may assign: its receiver's, and those that it returns.
func (p *pkg) assigners(f *ast.FuncDecl) map[*types.Named]bool {
	may := map[*types.Named]bool{}
	sig := p.info.Defs[f.Name].(*types.Func).Signature()
	add := func(t types.Type) {
		if ptr, ok := types.Unalias(t).(*types.Pointer); ok {
			t = ptr.Elem()
		}
		if n, ok := types.Unalias(t).(*types.Named); ok {
			may[n.Origin()] = true
		}
	}
	if r := sig.Recv(); r != nil {
		add(r.Type())
	}
	for v := range sig.Results().Variables() {
		add(v.Type())
	}
	return may
}

// assignments calls found for each unexported field that code assigns.
func (p *pkg) assignments(body ast.Node, found func(at ast.Expr, owner *types.Named, field string)) {
	assigned := func(e ast.Expr) {
		for {
			switch x := e.(type) {
			case *ast.ParenExpr:
				e = x.X
				continue
			case *ast.IndexExpr:
				e = x.X
				continue
			case *ast.SelectorExpr:
				s := p.info.Selections[x]
				if s == nil || s.Kind() != types.FieldVal {
					return
				}
				if owner := declares(s); owner != nil && !s.Obj().Exported() {
					found(x, owner, s.Obj().Name())
				}
				if _, far := s.Recv().Underlying().(*types.Pointer); !far { // a part of a field is the field's
					e = x.X
					continue
				}
			}
			return
		}
	}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, e := range n.Lhs {
				assigned(e)
			}
		case *ast.IncDecStmt:
			assigned(n.X)
		case *ast.RangeStmt:
			if n.Tok == token.ASSIGN {
				assigned(n.Key)
				assigned(n.Value)
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "delete" || f.Name == "clear") && len(n.Args) > 0 {
				assigned(n.Args[0])
			}
		}
		return true
	})
}

// declares returns the type that declares the field of a selection, through whatever is embedded on the way.
func declares(s *types.Selection) *types.Named {
	var owner *types.Named
	t := s.Recv()
	for _, i := range s.Index() {
		if ptr, ok := types.Unalias(t).(*types.Pointer); ok {
			t = ptr.Elem()
		}
		n, _ := types.Unalias(t).(*types.Named)
		if n != nil {
			n = n.Origin()
		}
		owner = n
		t = t.Underlying().(*types.Struct).Field(i).Type()
	}
	return owner
}
