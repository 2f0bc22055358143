// Package llama is a small decoder of the Llama kind over bytes, with its training.
//
// The model reads bytes (a vocabulary of 256) and is built of RMSNorm, rotary
// positions, causal attention and SwiGLU (Touvron et al., arXiv 2302.13971). Forward and
// backward passes are written out, no graph is recorded: a [pass] runs one sequence
// and keeps what its backward needs. Tensors bear the names of Hugging Face's
// LlamaForCausalLM, adapters (LoRA, Hu et al., arXiv 2106.09685) those of PEFT.
//
// Words: a projection is one of a layer's seven linear maps (q_proj to down_proj); a
// stack is a matrix of projections with the same input, multiplied as one (q, k and
// v; gate and up). Weights are [out, in], activations [position, channel], both
// row-major.
//
// A [Learner] makes optimizer steps. It cuts every batch into a fixed number of lanes,
// whose gradients are summed in the order of the lanes, so for a given kernel
// ([kernel.Name]) the result has the same bits whatever the number of workers.
package llama
