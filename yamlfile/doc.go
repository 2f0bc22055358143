// Package yamlfile reads the YAML files that people write: run files, scenario files, a site's
// configuration.
//
// It is strict, so that a misspelt field is noticed: unknown and doubled fields, wrong types, anchors,
// tags and a second document are errors. Every error is an [Error], one line that names the file's line
// and the field. [Scalar], [Count], [Size] and [Duration] are values as people write them.
// [Tree] edits a file's text and keeps its comments.
package yamlfile
