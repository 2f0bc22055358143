// Package weights reads and writes the embedded trainer's parameters as safetensors.
//
// In memory parameters are float32. A file may hold F32, F16 or BF16; BF16 rounds to
// nearest, ties to even.
package weights
