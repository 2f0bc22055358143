package llama

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// reference computes the logits of every position straight from the definitions, in
// float64 and with no sharing of work.
type reference struct {
	c Config
	w map[string][]float32
}

func (r reference) linear(name string, x []float64) []float64 {
	w := r.w[name+".weight"]
	out := make([]float64, len(w)/len(x))
	for o := range out {
		for i, v := range x {
			out[o] += float64(w[o*len(x)+i]) * v
		}
	}
	return out
}

func (r reference) norm(name string, x []float64) []float64 {
	var square float64
	for _, v := range x {
		square += v * v
	}
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = v / math.Sqrt(square/float64(len(x))+normEps) * float64(r.w[name+".weight"][i])
	}
	return out
}

// rope turns channels i and i+half of a head by pos·10000^(-i/half).
func (r reference) rope(x []float64, pos int) {
	hd := r.c.headDim()
	for h := 0; h < len(x); h += hd {
		for i := range hd / 2 {
			a := float64(pos) * math.Pow(ropeTheta, -2*float64(i)/float64(hd))
			u, v := x[h+i], x[h+i+hd/2]
			x[h+i], x[h+i+hd/2] = u*math.Cos(a)-v*math.Sin(a), v*math.Cos(a)+u*math.Sin(a)
		}
	}
}

func (r reference) attention(q [][]float64, k, v [][]float64, t int) []float64 {
	hd := r.c.headDim()
	out := make([]float64, r.c.Dim)
	for h := 0; h < r.c.Dim; h += hd {
		scores := make([]float64, t+1)
		var total float64
		for s := range scores {
			var dot float64
			for i := h; i < h+hd; i++ {
				dot += q[t][i] * k[s][i]
			}
			scores[s] = math.Exp(dot / math.Sqrt(float64(hd)))
			total += scores[s]
		}
		for s := range scores {
			for i := h; i < h+hd; i++ {
				out[i] += scores[s] / total * v[s][i]
			}
		}
	}
	return out
}

func (r reference) logits(tokens []byte) [][]float64 {
	x := make([][]float64, len(tokens))
	for t, tok := range tokens {
		for _, v := range r.w["model.embed_tokens.weight"][int(tok)*r.c.Dim:][:r.c.Dim] {
			x[t] = append(x[t], float64(v))
		}
	}
	for l := range r.c.Layers {
		pre := "model.layers." + string(rune('0'+l)) + "."
		q, k, v := make([][]float64, len(x)), make([][]float64, len(x)), make([][]float64, len(x))
		for t := range x {
			n := r.norm(pre+"input_layernorm", x[t])
			q[t], k[t], v[t] = r.linear(pre+"self_attn.q_proj", n), r.linear(pre+"self_attn.k_proj", n), r.linear(pre+"self_attn.v_proj", n)
			r.rope(q[t], t)
			r.rope(k[t], t)
		}
		for t := range x {
			for i, d := range r.linear(pre+"self_attn.o_proj", r.attention(q, k, v, t)) {
				x[t][i] += d
			}
			n := r.norm(pre+"post_attention_layernorm", x[t])
			gate, up := r.linear(pre+"mlp.gate_proj", n), r.linear(pre+"mlp.up_proj", n)
			for i, g := range gate {
				gate[i] = g / (1 + math.Exp(-g)) * up[i]
			}
			for i, d := range r.linear(pre+"mlp.down_proj", gate) {
				x[t][i] += d
			}
		}
	}
	for t := range x {
		x[t] = r.linear("lm_head", r.norm("model.norm", x[t]))
	}
	return x
}

func TestForwardMatchesDefinition(t *testing.T) {
	for _, c := range []Config{small(), {Dim: 32, Layers: 1, Heads: 2, Hidden: 48, Context: 40}} {
		m := rough(t, c, 4)
		w := map[string][]float32{}
		for _, ts := range m.Tensors() {
			w[ts.Name] = ts.Data
		}
		r := rand.New(rand.NewPCG(1, 2))
		p := newPass(m)
		for _, n := range []int{1, 2, 7, c.Context} {
			tokens := randomBatch(r, 1, n)[0]
			p.forward(tokens)
			want := reference{c, w}.logits(tokens)
			for i := range want {
				for j, v := range want[i] {
					if got := float64(p.logits[i*Vocab+j]); math.Abs(got-v) > 1e-4*(1+math.Abs(v)) {
						t.Fatalf("%d tokens: logit %d, %d is %v, want %v", n, i, j, got, v)
					}
				}
			}
		}
	}
}

func TestLossOfUniformModel(t *testing.T) {
	m, err := NewModel(small())
	if err != nil {
		t.Fatal(err)
	}
	m.Pack() // all weights zero: every byte is as likely
	text := []byte("any text that is longer than one window of the context")
	for _, workers := range []int{1, 3} {
		loss, err := m.Loss(t.Context(), text, workers)
		if err != nil || math.Abs(loss-math.Log(Vocab)) > 1e-5 {
			t.Errorf("loss %v, %v; want ln 256", loss, err)
		}
	}
}

// TestAccuracyMatchesDefinition compares with the likeliest byte of the reference's logits.
func TestAccuracyMatchesDefinition(t *testing.T) {
	c := small()
	m := rough(t, c, 4)
	w := map[string][]float32{}
	for _, ts := range m.Tensors() {
		w[ts.Name] = ts.Data
	}
	text := randomBatch(rand.New(rand.NewPCG(3, 4)), 1, 2*c.Context+3)[0]
	logits := func(from int) [][]float64 { return reference{c, w}.logits(text[from:min(len(text)-1, from+c.Context)]) }
	for from := 0; from < len(text)-1; from += c.Context { // make some of them true
		for i, row := range logits(from) {
			if (from+i)%3 == 0 && i+1 < c.Context { // the next window's first input stays
				text[from+i+1] = byte(slices.Index(row, slices.Max(row)))
			}
		}
	}
	right := 0
	for from := 0; from < len(text)-1; from += c.Context {
		for i, row := range logits(from) {
			if row[text[from+i+1]] == slices.Max(row) {
				right++
			}
		}
	}
	for _, workers := range []int{1, 3} {
		q, err := m.Measure(t.Context(), text, workers)
		if err != nil || q.Accuracy != float64(right)/float64(len(text)-1) || right == 0 || right == len(text)-1 {
			t.Errorf("accuracy %v, %v; want %d of %d", q.Accuracy, err, right, len(text)-1)
		}
	}
}
