package checkpoint

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
)

func indexOf(files map[string]string) []byte {
	text, err := json.Marshal(map[string]any{"metadata": map[string]any{"total_size": 1}, "weight_map": files})
	if err != nil {
		panic(err)
	}
	return text
}

const (
	first  = "model-00001-of-00002.safetensors"
	second = "model-00002-of-00002.safetensors"
)

// sharded is a folder whose model lies in two files.
func sharded() map[string][]byte {
	return map[string][]byte{
		"config.json": []byte("{}"),
		first:         file{"a": floats(1, 2), "n": counter(3)}.bytes(map[string]string{"format": "pt", "tied": "a"}, true),
		second:        file{"b": floats(4)}.bytes(map[string]string{"format": "pt"}, false),
		indexFile:     indexOf(map[string]string{"a": first, "n": first, "b": second}),
	}
}

func TestFolder(t *testing.T) {
	dir := write(t, sharded())
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p, err := c.Split(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(p.Weights)
	if err != nil {
		t.Fatal(err)
	}
	if f, _ := read(t, data); !same(f, file{"a": floats(1, 2), "b": floats(4)}) || p.Constants == "" || p.Aliases["tied"] != "a" {
		t.Errorf("%v %+v", f, p)
	}
	for _, name := range []string{modelFile, adapterFile} {
		one, err := Open(write(t, map[string][]byte{name: file{"w": floats(1)}.bytes(nil, false), "config.json": nil}))
		if err != nil || !one.Plain() {
			t.Fatal(name, err)
		}
		one.Close()
	}
}

// TestFolderErrors: what is wrong with a folder is said with the file.
func TestFolderErrors(t *testing.T) {
	for name, c := range map[string]struct {
		change func(map[string][]byte)
		want   []string
	}{
		"missing file":     {func(m map[string][]byte) { delete(m, second) }, []string{second}},
		"twice":            {func(m map[string][]byte) { m[second] = file{"a": floats(1), "b": floats(4)}.bytes(nil, false) }, []string{`"a"`, first, second}},
		"truncated":        {func(m map[string][]byte) { m[second] = m[second][:len(m[second])-1] }, []string{second, "whole"}},
		"not in the index": {func(m map[string][]byte) { m[indexFile] = indexOf(map[string]string{"a": first, "b": second}) }, []string{indexFile, `"n"`, first}},
		"in no file":       {func(m map[string][]byte) { m[first] = file{"a": floats(1)}.bytes(nil, false) }, []string{indexFile, `"n"`, first}},
		"in another": {func(m map[string][]byte) {
			m[indexFile] = indexOf(map[string]string{"a": second, "n": first, "b": second})
		}, []string{indexFile, `"a"`, first, second}},
		"outside":          {func(m map[string][]byte) { m[indexFile] = indexOf(map[string]string{"a": "../" + first}) }, []string{indexFile, `"a"`}},
		"empty index":      {func(m map[string][]byte) { m[indexFile] = []byte("{}") }, []string{indexFile}},
		"index is no JSON": {func(m map[string][]byte) { m[indexFile] = []byte("x") }, []string{indexFile}},
		"eight bits": {func(m map[string][]byte) {
			m[second] = file{"b": {"F8_E4M3", []uint64{1}, []byte{1}}}.bytes(nil, false)
		}, []string{second, `"b"`, "F8_E4M3"}},
		"no model":          {func(m map[string][]byte) { clear(m) }, []string{modelFile, indexFile}},
		"index beyond size": {func(m map[string][]byte) { m[indexFile] = make([]byte, maxIndex+1) }, []string{indexFile}},
	} {
		files := sharded()
		c.change(files)
		_, err := Open(write(t, files))
		if err == nil || !errors.Is(err, ErrUnusable) && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v does not say %s", name, err, want)
			}
		}
	}
}

func FuzzIndex(f *testing.F) {
	f.Add(indexOf(map[string]string{"a": first, "b": second}))
	f.Add([]byte(`{"weight_map":{"a":"../x.safetensors"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := parseIndex("index", data)
		if err != nil {
			if !errors.Is(err, ErrUnusable) {
				t.Fatal(err)
			}
			return
		}
		for _, path := range x.paths("dir") {
			if !strings.HasPrefix(path, "dir/") || strings.Count(path, "/") != 1 || !strings.HasSuffix(path, fileExt) {
				t.Fatalf("%q", path)
			}
		}
	})
}
