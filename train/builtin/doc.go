// Package builtin is the trainer that weft carries in itself: it fine-tunes a small
// language model over bytes, in Go, on a machine that has nothing else.
//
// [InitModel] writes what a run starts from: a fresh LoRA adapter of the embedded base
// model (package base), or in full mode a copy of the base. A [Trainer] does the tasks
// of such a run on a site's text. What a run trains and how is in its hyperparameters:
//
//	mode     lora or full (lora)
//	rank     of the adapter, 1 to 128 (8)
//	alpha    the adapter's scale is alpha/rank (twice the rank)
//	targets  projections adapted in every layer: all, or some of q_proj, k_proj,
//	         v_proj, o_proj, gate_proj, up_proj, down_proj, divided by commas (all)
//	steps    optimizer steps of a site in a round (60)
//	batch    sequences in a step (8)
//	lr       highest learning rate (0.005 for lora, 0.001 for full)
//	warmup   steps at the start of a round in which the rate rises to it (10)
//	seed     of the adapter that a run starts from (1); tasks bring their own
//	base     CID of the embedded base; a weft with another refuses the task
//
// The learning rate falls along a cosine over the run's rounds to a tenth. The optimizer
// is AdamW and starts afresh in each round. For a given kind of kernel
// (kernel.Name) a task's result has the same bits whatever the number of workers.
package builtin
