package api

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// The local API: HTTP and JSON on the Unix socket "api.sock" (0600) in the site's directory. The
// CLI, the dashboard and scripts use nothing else.
//
//	GET  /v1/status                        Status, live: with the newest round of each run alone
//	GET  /v1/peers                         []Peer
//	GET  /v1/ledger?from=H&limit=N         []LedgerEntry, ascending
//	GET  /v1/events?from=SEQ&follow=1      JSON lines of Event; with Accept: text/event-stream as server-sent events
//	GET  /v1/blocks/{cid}                  the block's bytes
//	GET  /v1/models/{manifest}?run=RUN     the model as a safetensors file, with the constants of its run if one is named
//	GET  /v1/runs/{run}/rounds?from=R&limit=N  Rounds: a page of the committed rounds, ascending
//	GET  /v1/runs/{run}/steps              []TrainingSteps: of this site's trainings, the oldest first
//	POST /v1/runs                          RunRequest -> RunReply
//	POST /v1/runs/{run}/consent            Consent
//	POST /v1/runs/{run}/stop               Stop
//	POST /v1/runs/{run}/evaluate           EvaluateRequest -> Evaluation, once the trainer is done
//	POST /v1/runs/{run}/generate           GenerateRequest -> Generated, once the trainer is done
//	GET  /v1/openapi.json                  this API in OpenAPI 3.0
//	GET  /healthz                          Health: the node is alive; 503 if a restart may help
//	GET  /readyz                           Health: nothing keeps the site from going on; 503 if something does
//	GET  /metrics                          Prometheus metrics (docs/metrics.md)
//	GET  /v1/roster                        Roster
//	POST /v1/roster                        ChangeRequest -> RosterChange
//
// An error is a status of 400 or more with Error as its body.

// Error is the body of a failed request.
type Error struct {
	Message string `json:"error"`
	Hint    string `json:"hint,omitempty"`  // what to do about it
	Field   string `json:"field,omitempty"` // of a run's description, as run files name it, that is at fault
}

func (e *Error) Error() string {
	text := e.Message
	if e.Field != "" {
		text = e.Field + ": " + text
	}
	if e.Hint != "" {
		return hint.Add(errors.New(text), e.Hint).Error()
	}
	return text
}

// Advice is the hint, for package hint.
func (e *Error) Advice() string { return e.Hint }

// Status is where a site stands.
type Status struct {
	Site     string         `json:"site"` // its name in the roster
	ID       peer.ID        `json:"id"`
	Addrs    []string       `json:"addrs"` // full multiaddrs, for --bootstrap
	Mesh     block.CID      `json:"mesh"`
	MeshName string         `json:"mesh_name"`
	Faults   ledger.Faults  `json:"faults"`
	Observes bool           `json:"observes,omitempty"` // this site is not in the roster: not yet, or no longer
	Sites    int            `json:"sites"`
	Quorum   int            `json:"quorum"`
	Lying    int            `json:"lying"` // so many sites may lie
	Up       int            `json:"up"`    // sites that can be reached, this one included
	Height   uint64         `json:"height"`
	Head     block.CID      `json:"head"`
	Runs     []RunStatus    `json:"runs"`
	Named    []string       `json:"named,omitempty"` // sites proven to have signed two statements for one place
	Sent     int64          `json:"sent"`            // bytes of blocks sent to other sites since the node started
	Received int64          `json:"received"`
	Room     uint64         `json:"room"`   // bytes that the disk has for models, beside what stays free for the log
	Memory   uint64         `json:"memory"` // peak resident set, bytes
	Since    time.Time      `json:"since"`
	Pending  []PendingRun   `json:"pending,omitempty"`  // runs that wait for the operator's consent
	NotOpen  []AskedRun     `json:"not_open,omitempty"` // runs that are asked for and not open
	Changes  []RosterChange `json:"changes,omitempty"`  // of the roster, that sites ask for; at most 8
	Asked    int            `json:"asked,omitempty"`    // such changes in all
	Weft     string         `json:"weft"`               // version of this site's program
	Protocol uint64         `json:"protocol"`           // number in force
	Newest   uint64         `json:"newest_protocol"`    // that this site's program knows
	Problem  string         `json:"problem,omitempty"`  // what keeps the site from going on, if anything
	Hint     string         `json:"hint,omitempty"`     // what to do about it
	Uptime   time.Duration  `json:"uptime"`
}

// Health is whether a node is well.
type Health struct {
	OK      bool   `json:"ok"`
	Problem string `json:"problem,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// Phase is what a site does for a run at the moment.
type Phase string

const (
	PhaseWaiting    Phase = "waiting"    // for consent, the base, or other sites
	PhaseTraining   Phase = "training"   //
	PhaseAnnouncing Phase = "announcing" // the update is cut into shards and offered; others' are fetched
	PhaseSealing    Phase = "sealing"    // the sites agree which updates count
	PhaseReducing   Phase = "reducing"   // the new model is computed
	PhaseCommitting Phase = "committing" // the sites agree on the new model
	PhaseDone       Phase = "done"
	PhaseStopped    Phase = "stopped"
	PhaseDeclined   Phase = "declined" // this site does not take part
	PhaseOffline    Phase = "offline"  // the run goes on, as far as this site knows, whose node does not run
)

// RunStatus is a run as one site sees it.
type RunStatus struct {
	ID           block.CID          `json:"id"`
	Name         string             `json:"name"`
	Round        uint64             `json:"round"` // current, from 1; the last when all are done
	Rounds       uint64             `json:"rounds"`
	Done         uint64             `json:"done"` // committed rounds
	Phase        Phase              `json:"phase"`
	Measures     bool               `json:"measures,omitempty"` // the training has not begun: its trainer measures the base first
	Queued       bool               `json:"queued,omitempty"`   // the training waits for its turn: the trainer works for other runs
	Trains       uint64             `json:"trains,omitempty"`   // round of the training under way; one that is over is trained on to offer the update late
	Step         uint64             `json:"step"`               // of the training under way
	Steps        uint64             `json:"steps"`
	Metrics      map[string]float64 `json:"metrics,omitempty"`       // newest of the training under way
	Heard        time.Time          `json:"heard,omitzero"`          // when the trainer was last heard of; absent until it has the task
	Process      int                `json:"process,omitempty"`       // ID of the trainer's process while it has the task, if it is one
	TrainerWaits string             `json:"trainer_waits,omitempty"` // what keeps the trainer from the task under way, such as a process that is to come
	Updates      []string           `json:"updates"`                 // sites whose updates of this round are held here
	Useless      map[string]string  `json:"useless,omitempty"`       // sites whose updates of this round are here and do not count, and why
	Takes        []string           `json:"takes"`                   // sites that take part; of a run that is over, or read without a node, those whose updates counted
	Declined     []string           `json:"declined,omitempty"`      // sites that have said that they do not
	Silent       []string           `json:"silent,omitempty"`        // sites that have not answered yet, while the run lasts
	Skipped      map[string]string  `json:"skipped,omitempty"`       // sites that have said that they offer nothing in this round, and why
	Troubles     map[string]Trouble `json:"troubles,omitempty"`      // what goes wrong at sites, this one too, as they say
	MinSites     uint64             `json:"min_sites"`               // fewest updates in a round
	Failure      *Failure           `json:"failure,omitempty"`       // why the last training failed, or the last evaluation, until another goes well
	Waits        string             `json:"waits,omitempty"`         // what the round waits for, where it does not go on
	Awaits       string             `json:"awaits,omitempty"`        // what comes next, and of whom, where it goes on
	Missing      []MissingSite      `json:"missing,omitempty"`       // sites that are in none of the newest seals, two at least
	Unknown      string             `json:"unknown,omitempty"`       // what of it this site's program does not know, which keeps it from taking part
	Stop         string             `json:"stop,omitempty"`          // who ended it early, and why
	Base         block.CID          `json:"base"`
	Spec         *ledger.RunSpec    `json:"spec"`
	Newest       *RoundStatus       `json:"newest,omitempty"`     // committed round
	History      []RoundStatus      `json:"history,omitempty"`    // all committed rounds; not in a live status, see [Client.Full]
	Figures      []ModelFigures     `json:"figures,omitempty"`    // what the sites measured of the models that any of them measured, ascending; likewise
	Best         *BestModel         `json:"best,omitempty"`       // of those, by the run's terms; absent where it has none
	Cross        CrossFigures       `json:"cross,omitempty"`      // what the sites measured of the last round's updates, if the run asked for it; likewise
	Unmeasured   bool               `json:"unmeasured,omitempty"` // it is over, and its last model still to be measured
	Continues    *Rewound           `json:"continues,omitempty"`  // an earlier run that it goes on from; absent where it began by itself
	Early        bool               `json:"early,omitempty"`      // it ended before its last round, as no better model was expected
}

// MissingSite is a site whose updates are in none of the newest seals of a run.
type MissingSite struct {
	Site  string `json:"site"`
	Seals int    `json:"seals"` // in a row
	Since uint64 `json:"since"` // the first of their rounds
	Why   string `json:"why"`   // as far as it is known at this site
}

// ModelFigures is what the sites measured of a model of a run.
type ModelFigures struct {
	Round uint64                     `json:"round"` // that yielded it; 0: what the run began with
	Model block.CID                  `json:"model"`
	Sites map[string]ledger.Measured `json:"sites"` // by name
}

// CrossFigures is what the sites measured of updates: by who measured, then by whose update, both by name.
type CrossFigures map[string]map[string]CrossFigure

// CrossFigure is what a site measured of an update.
type CrossFigure struct {
	Samples uint64             `json:"samples"`
	Metrics map[string]float64 `json:"metrics"`
}

// BestModel is the best model of a run so far.
type BestModel struct {
	Round uint64    `json:"round"` // that yielded it; 0: what the run began with
	Model block.CID `json:"model"`
	Since uint64    `json:"since"` // models after it, in a row, that were no better
}

// RoundStatus is a committed round.
type RoundStatus struct {
	Round       uint64                        `json:"round"`
	Height      uint64                        `json:"height"`
	Seal        block.CID                     `json:"seal"`
	Model       block.CID                     `json:"model"`
	Sites       []string                      `json:"sites"`   // whose updates counted
	Samples     uint64                        `json:"samples"` // in all
	SiteSamples map[string]uint64             `json:"site_samples"`
	Weights     map[string]uint64             `json:"weights"`               // of the sites' updates in the mean: samples, capped, less if late
	Shares      map[string]float64            `json:"shares"`                // of the sum of the weights
	Norms       map[string]float64            `json:"norms,omitempty"`       // of what the updates change of their bases; none in runs of protocols before 4
	NormRatios  map[string]float64            `json:"norm_ratios,omitempty"` // to the median of the round's
	Late        map[string]uint64             `json:"late,omitempty"`        // rounds by which updates were late, if they were
	Skipped     map[string]string             `json:"skipped,omitempty"`     // sites that offered nothing, and why, as heard here; none for rounds before a restart
	Troubles    map[string]Trouble            `json:"troubles,omitempty"`    // what went wrong in the round at sites without an update in it, as heard here
	Attempts    map[string]uint64             `json:"attempts"`              // how many trainings stand behind each update: more than one if the site waited for others
	Metrics     map[string]map[string]float64 `json:"metrics"`               // by site
	Took        time.Duration                 `json:"took"`                  // as measured here; 0 for rounds before a restart
	Phases      map[Phase]time.Duration       `json:"phases,omitempty"`
	Held        bool                          `json:"held"` // the model is on this site's disk
}

// Peer is another site of the mesh.
type Peer struct {
	Site      string        `json:"site"`
	ID        peer.ID       `json:"id"`
	Connected bool          `json:"connected"`
	Addrs     []string      `json:"addrs"`
	Failure   string        `json:"failure,omitempty"` // why it could not be reached when it was dialed last
	RTT       time.Duration `json:"rtt"`
	Sent      int64         `json:"sent"` // bytes of blocks
	Received  int64         `json:"received"`
	Rejected  int           `json:"rejected"`           // messages of it that were refused
	Weft      string        `json:"weft,omitempty"`     // version of its program, as it says; absent until it has said anything
	Protocol  uint64        `json:"protocol,omitempty"` // newest number that it knows
	Twin      bool          `json:"twin,omitempty"`     // its addresses change back and forth: two machines use its key
	Mute      bool          `json:"mute,omitempty"`     // it says that it does not vote for now: its log was lost, or put back to an earlier state
}

// LedgerEntry is a decided entry for people and scripts.
type LedgerEntry struct {
	Height      uint64              `json:"height"`
	CID         block.CID           `json:"cid"`
	Kind        string              `json:"kind"`
	Summary     string              `json:"summary"`
	Run         string              `json:"run"` // its name
	View        uint64              `json:"view"`
	Signers     []string            `json:"signers"`
	Entry       *ledger.Entry       `json:"entry"`
	Certificate *ledger.Certificate `json:"certificate"`
}

// Event is a line of the site's trace: what the protocol did, when.
type Event struct {
	Origin
	trace.Event
}

// Origin says whose trace an event is of, and where in it.
type Origin struct {
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
	Site string    `json:"site"` // its name; the event's subject has the ID of the site that it is about
}

// MarshalJSON writes the event as one object.
func (e Event) MarshalJSON() ([]byte, error) { return trace.Marshal(e.Origin, e.Event) }

// UnmarshalJSON reads what MarshalJSON wrote, also of a later version, which has other kinds.
func (e *Event) UnmarshalJSON(b []byte) error {
	var o Origin
	if err := json.Unmarshal(b, &o); err != nil {
		return err
	}
	ev, err := trace.Unmarshal(b)
	if err != nil {
		return err
	}
	*e = Event{o, ev}
	return nil
}

// RunRequest asks for a run. Exactly one of Model, Init and From says where the model comes from.
type RunRequest struct {
	Spec  ledger.RunSpec `json:"spec"`            // By, Base, Layout and Nonce are filled in by the node
	Model string         `json:"model,omitempty"` // safetensors file, or folder as Hugging Face has them, to start from; it is copied
	Init  bool           `json:"init,omitempty"`  // let the site's trainer make the initial model: the embedded one from Spec.Train
	Wide  bool           `json:"wide,omitempty"`  // take it in as F32, whatever its type: so are the common models then
	From  *ModelOf       `json:"from,omitempty"`  // model of an earlier run that this site holds; the same outer step begins with the state of that round
}

// ModelOf names a model of a run: a committed one, or what the run began with.
type ModelOf struct {
	Run   block.CID `json:"run"`
	Model block.CID `json:"model"`
}

// MarshalJSON leaves an empty By out, which as text would be no peer ID.
func (r RunRequest) MarshalJSON() ([]byte, error) {
	type plain ledger.RunSpec
	type spec struct {
		plain
		By string `json:"by,omitempty"` // instead of the one in plain
	}
	s := spec{plain: plain(r.Spec)}
	if r.Spec.By != "" {
		s.By = r.Spec.By.String()
	}
	return json.Marshal(struct {
		Spec  spec     `json:"spec"`
		Model string   `json:"model,omitempty"`
		Init  bool     `json:"init,omitempty"`
		Wide  bool     `json:"wide,omitempty"`
		From  *ModelOf `json:"from,omitempty"`
	}{s, r.Model, r.Init, r.Wide, r.From})
}

// RunReply names the run that was asked for. It is open once the ledger has its open entry.
type RunReply struct {
	Run  block.CID `json:"run"`
	Note string    `json:"note,omitempty"` // what the operator should know of the model that was taken in
}

// PendingRun is a run that the operator has not answered.
type PendingRun struct {
	Run  block.CID       `json:"run"`
	Spec *ledger.RunSpec `json:"spec"`
	Held string          `json:"held,omitempty"` // why the site's own policy, which answers on other runs, does not on this one
}

// AskedRun is a run that a site asks for and that is not open: it costs nothing but this notice, until enough sites consent.
type AskedRun struct {
	Run      block.CID         `json:"run"`
	Spec     *ledger.RunSpec   `json:"spec"`
	Opener   string            `json:"opener"`
	Own      bool              `json:"own,omitempty"`      // this site asks for it, and can take that back
	Consents []string          `json:"consents"`           // sites that take part if it opens
	Declined map[string]string `json:"declined,omitempty"` // sites that do not, and why
	Silent   []string          `json:"silent,omitempty"`   // sites that have not answered yet
	Needed   int               `json:"needed,omitempty"`   // consents that it takes; 0: the protocol in force asks for none
	Bytes    uint64            `json:"bytes,omitempty"`    // of its model; 0: not known here yet
	Waits    string            `json:"waits"`              // what it waits for
}

// Consent is the operator's answer on a run.
type Consent struct {
	Accept bool `json:"accept"`
}

// EvaluateRequest asks the site's trainer to measure a model of a run: a committed one, or what the run began with.
type EvaluateRequest struct {
	Model block.CID `json:"model"`
}

// Evaluation is what the site's trainer found of a model with the site's data.
type Evaluation struct {
	Run     block.CID          `json:"run"`
	Round   uint64             `json:"round"` // that yielded the model; 0: what the run began with
	Model   block.CID          `json:"model"`
	Samples uint64             `json:"samples"`
	Metrics map[string]float64 `json:"metrics"`
	Took    time.Duration      `json:"took"`
}

// GenerateRequest asks the site's trainer to go on from a prompt with a model of a run, as in EvaluateRequest.
type GenerateRequest struct {
	Model       block.CID `json:"model"`
	Prompt      string    `json:"prompt"`
	MaxTokens   uint64    `json:"max_tokens"`
	Temperature float64   `json:"temperature"` // 0: always the likeliest token
	Seed        uint64    `json:"seed"`        // the same gives the same text, if the trainer sees to that
}

// Generated is the text that the site's trainer has generated.
type Generated struct {
	Run   block.CID     `json:"run"`
	Round uint64        `json:"round"` // that yielded the model; 0: what the run began with
	Model block.CID     `json:"model"`
	Text  string        `json:"text"` // without the prompt; may hold control codes
	Took  time.Duration `json:"took"`
}

// TrainingSteps is the curve of a training of this site in a run: what its trainer said from step to step, thinned.
type TrainingSteps struct {
	Round   uint64      `json:"round"`
	Attempt uint64      `json:"attempt"`
	From    uint64      `json:"from"`  // steps of this site's trainings before, as far as they are known
	Steps   uint64      `json:"steps"` // of this one, as its trainer says; 0: unknown
	Points  []StepPoint `json:"points"`
}

// StepPoint is what a trainer said at a step of a training; steps grow.
type StepPoint struct {
	Step    uint64             `json:"step"`
	Time    time.Time          `json:"time"`
	Metrics map[string]float64 `json:"metrics"`
}

// Failure says what went wrong, and what to do about it.
type Failure struct {
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

// Stop asks for the end of a run.
type Stop struct {
	Reason string `json:"reason"`
}
