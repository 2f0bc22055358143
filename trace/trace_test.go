package trace

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// fill sets all fields of a value to something.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Interface().(type) {
	case block.CID:
		v.Set(reflect.ValueOf(block.Sum(block.DagCBOR, []byte(v.Type().String()))))
		return
	case peer.ID:
		id, err := peer.Decode("12D3KooWHXKuLZLDy4EujmnKJScPtc5G8LLzDP7yC9Ty9ARzphPm")
		if err != nil {
			t.Fatal(err)
		}
		v.Set(reflect.ValueOf(id))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(t, v.Index(0))
		fill(t, v.Index(1))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.String:
		v.SetString("word")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Uint64:
		v.SetUint(3)
	default:
		t.Fatalf("fill: %s", v.Type())
	}
}

// TestKinds: every kind of events is written and read without loss, with all that its head says.
func TestKinds(t *testing.T) {
	head := struct {
		Seq uint64 `json:"seq"`
	}{7}
	for _, k := range Kinds() {
		empty, err := kinds[k]([]byte("{}"))
		if err != nil || empty.Kind() != k {
			t.Errorf("%s: %v, %v", k, empty, err)
			continue
		}
		v := reflect.New(reflect.TypeOf(empty)).Elem()
		fill(t, v)
		for _, want := range []Event{empty, v.Interface().(Event)} {
			data, err := Marshal(head, want)
			if err != nil {
				t.Errorf("%s: %v", k, err)
				continue
			}
			got, err := Unmarshal(data)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s gives %+v, %v", k, data, got, err)
			}
			if !strings.HasPrefix(string(data), `{"seq":7,"event":"`+string(k)+`"`) {
				t.Errorf("%s", data)
			}
			checkFields(t, data)
		}
	}
}

// checkFields: no name is written twice.
func checkFields(t *testing.T, data []byte) {
	t.Helper()
	seen := map[string]bool{}
	d := json.NewDecoder(strings.NewReader(string(data)))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		if seen[name.(string)] {
			t.Errorf("%s twice in %s", name, data)
		}
		seen[name.(string)] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOtherFields: an event of a known kind that another version wrote with other fields keeps what it says.
func TestOtherFields(t *testing.T) {
	for _, line := range []string{
		`{"event":"decide","text":"seal 1.0 with 3 updates","height":3,"kind":"seal"}`,
		`{"event":"view","height":3,"view":"x"}`,
	} {
		e, err := Unmarshal([]byte(line))
		if _, other := e.(Other); err != nil || !other || e.About().Height != 3 || strings.Contains(line, "text") && e.Text() == "" {
			t.Errorf("%s gives %+v, %v", line, e, err)
		}
	}
	long := Rejected{Subject: At(3), Why: strings.Repeat("x", 5000)}
	data, err := Marshal(struct{}{}, Shortened(long))
	if err != nil {
		t.Fatal(err)
	}
	if e, err := Unmarshal(data); err != nil || e.Kind() != long.Kind() || e.About() != long.About() || e.Text() != long.Why[:4096] {
		t.Errorf("shortened: %+v, %v", e, err)
	}
}

// TestOther: an event of another version keeps its kind, its subject and its text.
func TestOther(t *testing.T) {
	line := `{"event":"pruned","text":"10 entries","run":"` + block.Sum(block.DagCBOR, []byte("run")).String() + `","round":3}`
	e, err := Unmarshal([]byte(line[:len(line)-1] + `,"entries":10}`))
	if err != nil || e.Kind() != "pruned" || e.Text() != "10 entries" || e.About().Round != 3 {
		t.Fatalf("%+v, %v", e, err)
	}
	if data, err := Marshal(struct{}{}, e); err != nil || string(data) != line {
		t.Errorf("written again: %s, %v", data, err)
	}
	for _, bad := range []string{"", "{", "[]", "{}", `{"event":""}`} {
		if e, err := Unmarshal([]byte(bad)); err == nil {
			t.Errorf("%q gives %+v", bad, e)
		}
	}
}
