package config

import (
	"io"
	"log/slog"

	"github.com/goccy/go-yaml/ast"

	"github.com/weft-mesh/weft/yamlfile"
)

// Level is the least grave that is said: debug, info, warn or error.
type Level slog.Level

// UnmarshalYAML reads a level's name.
func (l *Level) UnmarshalYAML(node ast.Node) error {
	if err := (*slog.Level)(l).UnmarshalText([]byte(node.GetToken().Value)); err != nil {
		return yamlfile.Wrong(node, "want debug, info, warn or error")
	}
	return nil
}

// Slog returns the level as package slog has it.
func (l Level) Slog() slog.Level { return slog.Level(l) }

// Logger returns what writes the log as the site wants it.
func (c Log) Logger(w io.Writer) *slog.Logger {
	opt := &slog.HandlerOptions{Level: slog.Level(c.Level)}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opt))
	}
	return slog.New(slog.NewTextHandler(w, opt))
}
