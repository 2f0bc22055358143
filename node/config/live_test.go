package config

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// A node that runs takes over what it can and says what it cannot; what has not changed is not named, whatever it is.
func TestTake(t *testing.T) {
	read := func(edit ...string) *Config {
		t.Helper()
		text := strings.NewReplacer(edit...).Replace(DefaultYAML("a") + "\ntrain: {batch: 4}\nmax_model: 1GB\n")
		c, err := Parse("config.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	l := NewLive(read())
	if changed, restart := l.Take(read()); len(changed)+len(restart) > 0 {
		t.Errorf("the same file changes %v, and needs a restart for %v", changed, restart)
	}
	before := l.Now()
	changed, restart := l.Take(read("accept: ask", "accept:\n  - from: b", "keep_models: 3", "keep_models: 7", "level: info", "level: debug", "max_model: 1GB", "max_model: 2GB", "format: text", "format: json", "batch: 4", "batch: 5", "builtin:shakespeare\n", "builtin:dolly\n", "tcp/4801", "tcp/4802"))
	if got := strings.Join(changed, " "); got != "accept max_model keep_models log.level" {
		t.Errorf("changed: %s", got)
	}
	if got := strings.Join(restart, " "); got != "listen trainer log.format train" {
		t.Errorf("needs a restart: %s", got)
	}
	now := l.Now()
	if now.Accept.String() != "from: b" || now.KeepModels != 7 || now.MaxModel != 2e9 || slog.Level(now.Log.Level) != slog.LevelDebug {
		t.Errorf("in force: %+v", now)
	}
	if now.Log.Format != "text" || now.Train["batch"] != "4" || !slices.Equal(now.Listen, before.Listen) || before.KeepModels != 3 {
		t.Errorf("changed what needs a restart: %+v", now)
	}
}
