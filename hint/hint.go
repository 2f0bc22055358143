package hint

import (
	"errors"
	"strings"
)

// bare are the characters that mean themselves to every shell, beside letters and digits.
const bare = "%+,-./:=@_"

// Shell writes a command's words as a shell reads them back: in hints and elsewhere, commands have names that others chose.
func Shell(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		if quoted[i] = w; w == "" || strings.ContainsFunc(w, special) {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// special reports whether a character may mean something else than itself.
func special(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(bare, r)
}

// Error is an error with what to do about it.
type Error struct {
	Err  error
	Hint string // one sentence, such as: start it with weft up
}

// Add adds to an error what to do about it. To a hint that is there already it adds another.
func Add(err error, hint string) error {
	if e, ok := err.(*Error); ok { //nolint:errorlint // one that is wrapped keeps what was said around it
		return &Error{e.Err, e.Hint + "; " + hint}
	}
	return &Error{err, hint}
}

// Error returns the error and, on a line of its own, the hint.
func (e *Error) Error() string { return e.Err.Error() + "\n  hint: " + e.Hint }

func (e *Error) Unwrap() error { return e.Err }

// Advice returns the hint.
func (e *Error) Advice() string { return e.Hint }

// Of returns what an error, or the first one below it that knows, advises; empty if none does.
func Of(err error) string {
	var known interface{ Advice() string }
	if errors.As(err, &known) {
		return known.Advice()
	}
	return ""
}

// Split returns an error's text without the hint, and the hint. What was wrapped around an [Error] is left out.
func Split(err error) (text, advice string) {
	var e *Error
	if errors.As(err, &e) {
		return e.Err.Error(), e.Hint
	}
	return err.Error(), Of(err)
}
