package main

import (
	"strings"
	"testing"
)

func TestArticles(t *testing.T) {
	in := ` = Du Fu = 
 
 Du Fu was a poet . Nothing is known of <unk> . He wrote 1 @,@ 500 poems , it 's said . 
 = = Early <unk> = = 
 He had half @-@ brothers ( three ) . " A friend " wrote : " all is well " . " 
 Only one sentence here . 
 = = = Later = = = 
 He moved . He died in 770 . `
	want := `= Du Fu =
Du Fu was a poet. He wrote 1,500 poems, it's said.
He had half-brothers (three). "A friend" wrote: "all is well".
=== Later ===
He moved. He died in 770.`
	got, err := articles([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, p := range got {
		lines = append(lines, string(p))
	}
	if s := strings.Join(lines, "\n"); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
}

func TestQuestions(t *testing.T) {
	in := `{"instruction": "Who?\n", "input": "", "output": "I.\n\n  You.", "category": "x"}
{"instruction": "What is it?", "input": "a text", "output": "Left out."}
{"instruction": "Long?", "input": "", "output": "` + strings.Repeat("x", maxAnswer+1) + `"}`
	got, err := questions([]byte(in))
	if err != nil || len(got) != 1 || string(got[0]) != "Q: Who?\nA: I.\nYou." {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := questions([]byte("{")); err == nil {
		t.Error("half a row was read")
	}
}
