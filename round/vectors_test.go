package round

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/block/blocktest"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/membership"
	"github.com/weft-mesh/weft/round/peerlog"
	"github.com/weft-mesh/weft/round/runs"
)

var updateVectors = flag.Bool("update", false, "write testdata/vectors anew")

// vector is a value and its bytes, for implementations in other languages (docs/protocol.md).
type vector struct {
	Name string          `json:"name"`
	Type string          `json:"type"`
	JSON json.RawMessage `json:"json"` // DAG-JSON
	Hex  string          `json:"hex"`  // DAG-CBOR
	CID  block.CID       `json:"cid"`  // of those bytes
	// Of a statement: what its signature covers, with the Ed25519 key it was made with.
	Signing string `json:"signing,omitempty"`
	Seed    string `json:"seed,omitempty"`
	Sig     string `json:"sig,omitempty"`
}

// vectors makes one value of each kind, signed with real keys, nothing left to chance.
func vectors(t *testing.T) []vector {
	var list []vector
	add := func(name, typ string, v any) *vector {
		data := block.Encode(v)
		j, err := blocktest.JSON(data)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, vector{Name: name, Type: typ, JSON: j, Hex: hex.EncodeToString(data), CID: block.Sum(block.DagCBOR, data)})
		return &list[len(list)-1]
	}
	g := testGenesis(4, ledger.Byzantine)
	add("genesis", "Genesis", g)
	mesh := g.Block().CID
	model, layout := block.Sum(block.DagCBOR, []byte("model")), block.Sum(block.DagCBOR, []byte("layout"))
	seeds := map[peer.ID][]byte{}
	for i := range 5 { // the last is to join
		d := block.Sum(block.Raw, fmtSeed(i)).Digest()
		seeds[testID(i)] = d[:]
	}
	signAs := func(id peer.ID, kind ledger.Kind, body any) ledger.Signed {
		data := block.Encode(body)
		return ledger.Signed{From: id, Kind: kind, Body: data, Sig: ed25519.Sign(ed25519.NewKeyFromSeed(seeds[id]), ledger.SigningBytes(mesh, kind, data))}
	}
	sign := func(site int, kind ledger.Kind, body any) ledger.Signed { return signAs(g.Sites[site].ID, kind, body) }
	titled := func(title string, id peer.ID, kind ledger.Kind, body any) ledger.Signed {
		s := signAs(id, kind, body)
		add(title+" body", "body", body)
		v := add(title+" message", "Message", Message{Attempt: 1, Statement: &s})
		v.Signing = hex.EncodeToString(ledger.SigningBytes(mesh, kind, s.Body))
		v.Seed, v.Sig = hex.EncodeToString(seeds[s.From]), hex.EncodeToString(s.Sig)
		return s
	}
	statementAs := func(id peer.ID, kind ledger.Kind, body any) ledger.Signed {
		return titled(string(kind), id, kind, body)
	}
	statement := func(site int, kind ledger.Kind, body any) ledger.Signed {
		return statementAs(g.Sites[site].ID, kind, body)
	}
	spec := &ledger.RunSpec{Name: "tumour", By: g.Sites[0].ID, Base: model, Layout: layout, Rounds: 5, Nonce: make([]byte, 16), Train: map[string]string{"lr": "0.001", "steps": "100"}}
	spec.Default(1)
	open := statement(0, ledger.KindOpen, spec)
	run := spec.ID()
	stop := statement(0, ledger.KindStop, &ledger.Stop{Run: run, Reason: "enough"})
	statement(1, ledger.KindConsent, &ledger.Consent{Run: run, Accept: true, Serial: 1})
	statement(0, ledger.KindAsks, &ledger.Asks{Serial: 2, Runs: []block.CID{run}})
	declines := &ledger.Consent{Run: run, Serial: 2, Reason: "its model is larger than max_model"}
	add("consent that declines body", "body", declines)
	statement(3, ledger.KindSkip, &ledger.Skip{Run: run, Round: 1, Opened: 1, Reason: "no new cases"})
	statement(3, ledger.KindTrouble, &ledger.Trouble{Run: run, Serial: 3, Classes: []ledger.TroubleClass{ledger.DiskFull, ledger.TrainingFails}})
	add("trouble with a text body", "body", &ledger.Trouble{Run: run, Serial: 1, Classes: []ledger.TroubleClass{ledger.LinkDown}, Text: "the switch is being replaced"})
	add("trouble that is over body", "body", &ledger.Trouble{Run: run, Serial: 4, Classes: []ledger.TroubleClass{}})
	upd := func(i int) *ledger.Update {
		return &ledger.Update{Run: run, Round: 1, Opened: 1, Attempt: 1, Base: model, Manifest: block.Sum(block.DagCBOR, fmtSeed(i)), Samples: uint64(100 + i), Metrics: map[string]float64{"loss": 1.5}}
	}
	statement(2, ledger.KindUpdate, upd(2))

	openEntry := &ledger.Entry{Mesh: mesh, Height: 1, Parent: mesh, Body: &ledger.Open{Spec: open}}
	add("open entry", "Entry", openEntry)
	consented := &ledger.Open{Spec: open}
	for i := range 3 {
		consented.Consents = append(consented.Consents, sign(i, ledger.KindConsent, &ledger.Consent{Run: run, Accept: true, Serial: 1, Samples: uint64(100 * i)}))
	}
	add("open entry with consents", "Entry", &ledger.Entry{Mesh: mesh, Height: 1, Parent: mesh, Body: consented})
	seal := &ledger.Seal{Run: run, Round: 1, Opened: 1}
	for i := range 4 {
		s := sign(i, ledger.KindUpdate, upd(i))
		seal.Updates = append(seal.Updates, ledger.SealedUpdate{Update: s, Weight: uint64(100 + i)})
	}
	sealEntry := &ledger.Entry{Mesh: mesh, Height: 2, Parent: openEntry.CID(), Body: seal}
	add("seal entry", "Entry", sealEntry)
	ground := ledger.Ground{Kind: ledger.Invalid, Dropped: []peer.ID{g.Sites[3].ID}, Shard: block.Sum(block.Raw, []byte("shard"))}
	next := &ledger.Seal{Run: run, Round: 1, Opened: 1, Number: 1, Ground: &ground, Updates: seal.Updates[:3]}
	add("second seal entry", "Entry", &ledger.Entry{Mesh: mesh, Height: 3, Parent: sealEntry.CID(), Body: next})
	add("void entry", "Entry", &ledger.Entry{Mesh: mesh, Height: 3, Parent: sealEntry.CID(), Body: &ledger.Void{Run: run, Round: 1, Seal: sealEntry.CID(), Ground: ground}})
	commit := &ledger.Entry{Mesh: mesh, Height: 3, Parent: sealEntry.CID(), Body: &ledger.Commit{Run: run, Round: 1, Seal: sealEntry.CID(), Model: model}}
	add("commit entry", "Entry", commit)
	figures := ledger.NewFigures(ledger.Measured{Samples: 40, Metrics: map[string]float64{"accuracy": 0.75}, Took: 1500})
	figured := upd(2)
	figured.Figures = figures
	add("update with figures body", "body", figured)
	every := uint64(2)
	selecting := *spec
	selecting.Selection = ledger.NewSelection(ledger.Terms{Every: &every, Best: &ledger.Best{Metric: "accuracy", Mode: ledger.Max, By: ledger.ByMedian, MinDelta: 0.125}, StopAfter: 3})
	add("selecting run description", "body", selecting)
	averaging := *spec
	averaging.Late = ledger.Average
	averaging.Bounds = ledger.NewBounds(ledger.Bounded{Share: ledger.OpenShare, MaxChange: 1000.5})
	averaging.Continues = ledger.NewContinues(ledger.Earlier{Run: run, Round: 3})
	add("averaging run description", "body", averaging)
	normed := upd(2)
	normed.Norm = ledger.NewNorm(2.5)
	add("update with norm body", "body", normed)
	measured := statement(2, ledger.KindMeasured, &ledger.LastMeasured{Run: run, Model: model, Figures: figures})
	add("closing entry", "Entry", &ledger.Entry{Mesh: mesh, Height: 4, Parent: commit.CID(), Body: &ledger.Closing{Run: run, Figures: []ledger.Signed{measured}}})
	lent := upd(2)
	lent.Lent = true
	add("lent update body", "body", lent)
	crossing := *spec
	crossing.Selection = ledger.NewSelection(ledger.Terms{Cross: ledger.CrossLast})
	add("crossing run description", "body", crossing)
	going := *spec
	going.Strategy, going.Late, going.LateNum, going.LateDen, going.LateMax = ledger.NewStrategy(ledger.Method{Outer: "nesterov"}).WithState(block.Sum(block.DagCBOR, []byte("state"))), ledger.Drop, 0, 0, 0
	add("run description that goes on with a state", "body", going)
	rows := []ledger.CrossRow{{Site: g.Sites[1].ID, Samples: 40, Metrics: map[string]float64{"accuracy": 0.5}}, {Site: g.Sites[2].ID, Samples: 40, Metrics: map[string]float64{"accuracy": 0.75}}}
	crossed := titled("measured with rows", g.Sites[2].ID, ledger.KindMeasured, &ledger.LastMeasured{Run: run, Model: model, Figures: figures, Cross: ledger.NewCrossRows(rows)})
	add("closing entry with rows", "Entry", &ledger.Entry{Mesh: mesh, Height: 4, Parent: commit.CID(), Body: &ledger.Closing{Run: run, Figures: []ledger.Signed{crossed}}})
	add("close entry", "Entry", &ledger.Entry{Mesh: mesh, Height: 2, Parent: openEntry.CID(), Body: &ledger.Close{Run: run, Stops: []ledger.Signed{stop}}})

	statement(1, consensus.KindReady, &consensus.Ready{Height: 3, Entry: commit.CID(), Data: commit.Block().Data})
	statement(1, consensus.KindProposal, &consensus.Proposal{Height: 3, View: 0, ValidView: -1, Entry: commit.Block().Data, Polka: []ledger.Signed{}})
	a := statement(2, ledger.KindPrevote, &ledger.Vote{Height: 3, View: 0, Entry: commit.CID()})
	b := sign(2, ledger.KindPrevote, &ledger.Vote{Height: 3, View: 0})
	statement(2, ledger.KindPrecommit, &ledger.Vote{Height: 3, View: 0, Entry: commit.CID()})
	cert := ledger.Certificate{Mesh: mesh, Height: 3, View: 0, Entry: commit.CID()}
	for i := range 3 {
		s := sign(i, ledger.KindPrecommit, &ledger.Vote{Height: 3, View: 0, Entry: commit.CID()})
		cert.Votes = append(cert.Votes, ledger.CertVote{From: s.From, Sig: s.Sig})
	}
	add("certificate", "Certificate", cert)
	add("certified message", "Message", Message{Attempt: 1, Certified: []ledger.Certified{{Entry: commit.Block().Data, Certificate: cert}}})
	add("evidence message", "Message", Message{Attempt: 1, Evidence: &peerlog.Evidence{A: a, B: b}})
	change := &ledger.Change{Add: &ledger.Site{ID: testID(4), Name: "north"}}
	changed := &ledger.Changed{Change: *change}
	for i := range 3 {
		a := sign(i, ledger.KindApprove, change)
		changed.Approvals = append(changed.Approvals, ledger.CertVote{From: a.From, Sig: a.Sig})
	}
	statement(0, ledger.KindApprove, change)
	statement(0, ledger.KindWithdraw, &ledger.Withdraw{Change: change.ID(), Serial: 1, Withdrawn: true})
	join := statementAs(testID(4), ledger.KindJoin, &ledger.Join{Change: change.ID(), Height: 2, Entry: sealEntry.CID()})
	changed.Join = &join
	add("roster entry", "Entry", &ledger.Entry{Mesh: mesh, Height: 3, Parent: sealEntry.CID(), Body: changed})
	add("removal body", "body", &ledger.Change{Version: 1, Remove: &g.Sites[3]})
	add("replacement body", "body", &ledger.Change{Version: 1, Remove: &g.Sites[3], Add: &ledger.Site{ID: testID(4), Name: g.Sites[3].Name}})
	head := &Head{Height: 2, Entry: sealEntry.CID(), Now: consensus.Votes{View: 1, Proposal: 7, Prevotes: []byte{1, 0, 9, 0}, Precommits: []byte{0, 0, 0, 0}}, Past: []consensus.Votes{{View: 0, Proposal: 8, Prevotes: []byte{8, 8, 8, 1}, Precommits: []byte{8, 8, 8, 0}}}, Named: []byte{4}, Runs: []runs.RunHead{{Run: run, Updates: []byte{15}, Consents: []byte{2}}}, Changes: []membership.ChangeHead{{Change: change.ID(), Approvals: []byte{7}, Join: 2, Serials: []uint64{1, 0, 2}}}}
	add("head message", "Message", Message{Attempt: 1, Head: head})

	asking := *head
	asking.Asks, asking.Asked = []uint64{2, 0, 1}, []runs.AskedHead{{Run: run, Consents: []uint64{1, 0, 3}}}
	add("head with runs that are asked for message", "Message", Message{Attempt: 1, Head: &asking})

	// Of later versions, and what says so.
	told := *head
	told.Weft, told.Protocol = "1.4", 2
	add("head of weft 1.4 message", "Message", Message{Attempt: 1, Head: &told})
	restarted := *head
	restarted.Restarted, restarted.Mute = true, true
	add("head of a restarted site message", "Message", Message{Attempt: 1, Head: &restarted})
	add("said message", "Message", Message{Attempt: 1, Said: &Said{Height: 2, List: []ledger.Signed{a, b}}})
	raise := &ledger.Change{Version: 1, Protocol: 2, Weft: "1.4"}
	titled("approve of a protocol", g.Sites[0].ID, ledger.KindApprove, raise)
	add("roster entry of a protocol", "Entry", &ledger.Entry{Mesh: mesh, Height: 3, Parent: sealEntry.CID(), Body: &ledger.Changed{Change: *raise, Approvals: []ledger.CertVote{}}})
	titled("later update", g.Sites[2].ID, ledger.KindUpdate, cbor.RawMessage(later(t, upd(2), map[string]any{"norm": 0.5})))
	add("later message", "LaterMessage", map[string]any{"attempt": 1, "later": map[string]any{"run": run}})
	add("later kind message", "LaterMessage", Message{Attempt: 1, Statement: new(sign(0, "later", map[string]any{"run": run}))})
	add("later entry", "LaterEntry", map[string]any{"mesh": mesh, "height": 3, "parent": sealEntry.CID(), "later": map[string]any{"run": run}})
	return list
}

func fmtSeed(i int) []byte { return []byte("test site " + string(rune('0'+i))) }

// TestVectors compares the encodings with those that other implementations were told.
func TestVectors(t *testing.T) {
	path := filepath.Join("..", "testdata", "vectors", "protocol.json")
	got, err := json.MarshalIndent(vectors(t), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *updateVectors {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatal("the protocol's bytes have changed: if that is meant, go test ./round -run Vectors -update, and say so in docs/protocol.md and the changelog")
	}
	var list []vector
	if err := json.Unmarshal(want, &list); err != nil {
		t.Fatal(err)
	}
	for _, v := range list {
		data, err := hex.DecodeString(v.Hex)
		if err != nil || block.Sum(block.DagCBOR, data) != v.CID {
			t.Errorf("%s: CID %s does not name its bytes", v.Name, v.CID)
		}
		switch v.Type {
		case "Message":
			m, err := DecodeMessage(data)
			if err != nil {
				t.Errorf("%s: %v", v.Name, err)
			} else if m.Statement != nil {
				verifyVector(t, v, m.Statement)
			}
		case "LaterMessage":
			if _, err := DecodeMessage(data); !errors.Is(err, ledger.ErrUnknown) {
				t.Errorf("%s: %v", v.Name, err)
			}
		case "LaterEntry":
			if e, err := ledger.DecodeEntry(data); err != nil || e.Kind() != "later" || e.CID() != v.CID {
				t.Errorf("%s: %v", v.Name, err)
			}
		case "Entry":
			if _, err := ledger.DecodeEntry(data); err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
		case "Genesis":
			if _, err := ledger.DecodeGenesis(data); err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
		}
	}
}

func verifyVector(t *testing.T, v vector, s *ledger.Signed) {
	key, err := s.From.ExtractPublicKey()
	if err != nil {
		t.Fatal(err)
	}
	signing, _ := hex.DecodeString(v.Signing)
	if ok, err := key.Verify(signing, s.Sig); !ok || err != nil {
		t.Errorf("%s: signature does not verify: %v", v.Name, err)
	}
	if !slices.Equal(s.Sig, must(hex.DecodeString(v.Sig))) {
		t.Errorf("%s: sig differs", v.Name)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
