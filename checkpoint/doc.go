// Package checkpoint reads models as frameworks save them, and writes them back.
//
// A checkpoint is a safetensors file, or a folder as Hugging Face has them: a configuration, and the tensors in model.safetensors,
// or in several files that model.safetensors.index.json names.
//
// A run averages weights (F32, F16, BF16) and nothing else. [Checkpoint.Split] parts a checkpoint into the weights and the
// constants: counters, masks, position numbers, which stay what they are. [Merge] puts them together again. Float64 becomes
// float32 on the way in.
//
// Weights that are tied have several names. Files have them under one; the others, here aliases, stand in the file's metadata
// as safetensors' own tools write them.
package checkpoint
