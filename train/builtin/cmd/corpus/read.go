package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// paragraphs returns a text's paragraphs, which empty lines divide.
func paragraphs(raw []byte) ([][]byte, error) {
	return bytes.Split(bytes.TrimSpace(raw), []byte("\n\n")), nil
}

// lastParagraphs returns those at the end that make a held-out sample: of tiny
// Shakespeare that is another play than those at its start.
func lastParagraphs(raw []byte) ([][]byte, error) {
	ps, err := paragraphs(raw)
	size := 0
	for i := len(ps) - 1; i >= 0; i-- {
		if size += len(ps[i]) + 2; size > heldoutBytes {
			return ps[i+1:], err
		}
	}
	return ps, err
}

const maxAnswer = 700 // bytes; longer answers are prose like any other

// questions formats Dolly's rows without context as a question and its answer.
func questions(raw []byte) ([][]byte, error) {
	var out [][]byte
	for i, line := range bytes.Split(bytes.TrimSpace(raw), []byte("\n")) {
		var row struct{ Instruction, Input, Output string }
		if err := json.Unmarshal(line, &row); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if row.Input != "" || len(row.Output) > maxAnswer {
			continue
		}
		out = append(out, []byte("Q: "+flat(row.Instruction)+"\nA: "+flat(row.Output)))
	}
	return out, nil
}

var blankLines = regexp.MustCompile(`\s*\n\s*`)

// flat drops empty lines and blanks at line ends, since an empty line ends a paragraph.
func flat(s string) string {
	return blankLines.ReplaceAllString(strings.TrimSpace(s), "\n")
}

// articles undoes WikiText's tokenisation, one paragraph a line. Sentences with words that the data set
// replaced by <unk> are left out, and so are headings with nothing left below them.
func articles(raw []byte) ([][]byte, error) {
	var out [][]byte
	var heading string
	for line := range strings.SplitSeq(string(raw), "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "= ") {
			for heading = line; strings.Contains(heading, "= ="); {
				heading = strings.ReplaceAll(heading, "= =", "==")
			}
			continue
		}
		var kept []string
		for s := range strings.SplitSeq(line, " . ") {
			s = strings.TrimSuffix(strings.TrimSpace(s), " .")
			if strings.Contains(s, "<unk>") || strings.Count(s, `"`)%2 > 0 || s == "" {
				continue // the second half of a quotation is no sentence
			}
			kept = append(kept, detokenise(strings.TrimSuffix(s, ":"))+".")
		}
		if len(kept) < 2 {
			continue
		}
		if heading != "" && !strings.Contains(heading, "<unk>") {
			out = append(out, []byte(detokenise(heading)))
		}
		heading = ""
		out = append(out, []byte(strings.Join(kept, " ")))
	}
	return out, nil
}

var joins = strings.NewReplacer(
	" @-@ ", "-", " @,@ ", ",", " @.@ ", ".",
	" ,", ",", " ;", ";", " :", ":", " !", "!", " ?", "?", " %", "%",
	" 's", "'s", " n't", "n't", " 're", "'re", " 've", "'ve", " 'll", "'ll", " 'd", "'d", " 'm", "'m",
	"( ", "(", " )", ")", "[ ", "[", " ]", "]", "$ ", "$",
)

var quoted = regexp.MustCompile(`" ([^"]*[^" ]) "`)

// detokenise joins what WikiText's tokeniser parted.
func detokenise(s string) string {
	return strings.ReplaceAll(quoted.ReplaceAllString(joins.Replace(s), `"$1"`), " ' ", "' ")
}
