// Package tensorboard writes scalars as TensorBoard reads them: event files, which are records of
// the TFRecord format with a protobuf message Event in each (tensorboard/compat/proto/event.proto).
// The few fields of a scalar are encoded here; nothing of TensorFlow is needed.
package tensorboard
