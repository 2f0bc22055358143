package train

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A kind that somebody else brings is made by its factory, and once only.
func TestRegister(t *testing.T) {
	if _, known := NewSettings("mine"); known {
		t.Fatal("it is known before")
	}
	Register("mine", func() Settings { return &SyntheticSettings{} })
	defer delete(kinds, "mine")
	if s, known := NewSettings("mine"); !known || s == nil || !slices.Contains(Kinds(), "mine") {
		t.Errorf("%v, %v", s, Kinds())
	}
	defer func() {
		if recover() == nil {
			t.Error("twice")
		}
	}()
	Register("mine", nil)
}

func TestSyntheticDefaults(t *testing.T) {
	s, _ := NewSettings("synthetic")
	path := filepath.Join(t.TempDir(), "model")
	if err := s.(Initial).InitModel(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() < int64(defaultSynthetic) || info.Size() > int64(defaultSynthetic)+1<<16 {
		t.Errorf("%v, %v", info, err)
	}
}
