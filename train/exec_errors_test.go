package train

import (
	"errors"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/hint"
)

var errBroken = errors.New("it broke")

func TestExplain(t *testing.T) {
	exit := &ExitError{Command: "sh", Status: "exit status 0", Asked: true}
	for _, c := range []struct {
		err          error
		text, advice string
	}{
		{errBroken, errBroken.Error(), ""},
		{errors.Join(ErrNoUpdate), "trainer asked for its next task without sending an update for this one", "call send once for each receive, also when a task fails"},
		{exit, `trainer "sh" ended with exit status 0 before it sent an update`, "the script ended by itself: call send before it returns"},
		{&ExitError{Command: "sh", Status: "exit status 1", Code: 1, Asked: true, Stderr: []string{"weft.LayoutError: 'w' is missing; hint: send it"}},
			`trainer "sh" ended with exit status 1 before it sent an update: weft.LayoutError: 'w' is missing`, "send it"},
		{errors.Join(hint.Add(errBroken, "look")), errBroken.Error(), "look"},
	} {
		if text, advice := Explain(c.err); text != c.text || advice != c.advice || strings.Contains(text, "hint:") {
			t.Errorf("%v: %q, %q", c.err, text, advice)
		}
	}
}
