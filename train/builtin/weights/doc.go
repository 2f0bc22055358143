// Package weights reads and writes the embedded trainer's parameters as safetensors.
//
// In memory parameters are float32. A file may hold F32, F16 or BF16, tensor by tensor;
// writing rounds to nearest, ties to even. Files that this package writes are
// canonical: tensors sorted by name, nothing between them.
package weights
