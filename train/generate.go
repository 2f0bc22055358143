package train

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/weft-mesh/weft/hint"
)

// Limits of a task of kind Generate.
const (
	MaxPrompt      = 16 << 10 // bytes
	MaxText        = 64 << 10 // bytes of the answer
	MaxTokens      = 16 << 10
	maxTemperature = 100
)

// Generation is what a model is to go on from, and how. Task.Seed is the seed of what is random in it.
type Generation struct {
	Prompt      string  `json:"prompt"`
	MaxTokens   uint64  `json:"max_tokens"`  // most tokens to generate; what a token is the model says
	Temperature float64 `json:"temperature"` // 0: always the likeliest token
}

// Check returns an error with a hint unless a trainer can be asked for it.
func (g Generation) Check() error {
	bad := func(advice, format string, args ...any) error { return hint.Add(fmt.Errorf(format, args...), advice) }
	switch {
	case g.Prompt == "":
		return hint.Add(errors.New("prompt: missing"), "give the model some text to go on from")
	case len(g.Prompt) > MaxPrompt:
		return bad("give the model less to go on from", "prompt: %d bytes, at most %d", len(g.Prompt), MaxPrompt)
	case !utf8.ValidString(g.Prompt):
		return hint.Add(errors.New("prompt: not UTF-8"), "write it as UTF-8 text")
	case g.MaxTokens == 0 || g.MaxTokens > MaxTokens:
		return bad("such as 64", "max_tokens: %d, want 1 to %d", g.MaxTokens, MaxTokens)
	case !(g.Temperature >= 0 && g.Temperature <= maxTemperature):
		return bad("such as 0.8; 0 always takes the likeliest token", "temperature: %v, want 0 to %d", g.Temperature, maxTemperature)
	}
	return nil
}

// CutText returns the beginning of what a model generated that fits into an answer, with U+FFFD where it is not UTF-8.
func CutText(s string) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) <= MaxText {
		return s
	}
	end := MaxText
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// textMessage is what a process generated.
type textMessage struct {
	Task uint64 `json:"task"`
	Text string `json:"text"`
}

// maxTextBody holds the longest text as JSON, which may write each byte as \u0001.
const maxTextBody = 6*MaxText + 1<<10

func decodeText(body []byte) (textMessage, error) {
	var m textMessage
	if !utf8.Valid(body) { // a decoder would put U+FFFD into the text
		return m, refuse(badRequest, "send JSON as UTF-8", "body: not UTF-8")
	}
	if err := decodeStrict(body, &m); err != nil {
		return m, err
	}
	if len(m.Text) > MaxText {
		return m, refuse(unprocessable, "send its beginning, or generate fewer tokens", "text: %d bytes, at most %d", len(m.Text), MaxText)
	}
	return m, checkMessage(m.Task, nil)
}

// text puts the task down with what was generated.
func (d *desk) text(body []byte) error {
	m, err := decodeText(body)
	if err != nil || d.hasTaken(m.Task) {
		return err
	}
	j, err := d.wanted(m.Task)
	if err != nil {
		return err
	}
	if j.task.Kind != Generate {
		return refuse(unprocessable, "answer by update, or skip", "text: a task of kind %s wants none", j.task.Kind)
	}
	_, err = d.answer(m.Task, Result{Text: m.Text})
	return err
}
