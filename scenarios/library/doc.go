// Package library holds the scenarios that weft brings along, a file each, and opens a scenario by its
// name or by the path of its file.
package library
