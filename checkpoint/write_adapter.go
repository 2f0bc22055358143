package checkpoint

import (
	"cmp"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/weft-mesh/weft/tensor"
)

// Names in an adapter's file, as PEFT has them.
const (
	adaptedModel  = "base_model.model." // before the names of the model that the adapter changes
	promptEncoder = "prompt_encoder."   // before the names of what a prompt is computed of, which PEFT's file has not
)

// ErrComputed is returned for an adapter whose file PEFT computes of what is trained.
var ErrComputed = errors.New("PEFT's file has a prompt that is computed of what the run trains")

// writeAdapter writes an adapter's file. PEFT's loader takes no notice of further names of a tensor: those of layers, such as tied
// embeddings, are written once more. Matrices that an adapter shares among layers (VeRA) stand above them, and are found there.
func writeAdapter(path string, h tensor.Header, r io.Reader) error {
	list, aliases := h.ByName(), h.Aliases()
	places, l := map[string][]string{}, tensor.Layout{}
	for _, t := range list {
		if strings.HasPrefix(t.Name, promptEncoder) {
			return ErrComputed
		}
		places[t.Name] = []string{t.Name}
		l.Tensors = append(l.Tensors, t.Tensor)
	}
	for alias, name := range aliases {
		if t, _ := h.Tensor(name); strings.HasPrefix(name, adaptedModel) {
			delete(aliases, alias)
			places[name] = append(places[name], alias)
			l.Tensors = append(l.Tensors, tensor.Tensor{Name: alias, DType: t.DType, Shape: t.Shape})
		}
	}
	slices.SortFunc(l.Tensors, func(a, b tensor.Tensor) int { return cmp.Compare(a.Name, b.Name) })
	return createFile(path, func(out *os.File) error {
		header := l.HeaderWithAliases(aliases)
		if _, err := out.Write(header); err != nil {
			return err
		}
		begin, end := map[string]int64{}, int64(len(header))
		for _, t := range l.Tensors {
			begin[t.Name] = end
			end += int64(t.Bytes())
		}
		for _, t := range list {
			var to []io.Writer
			for _, name := range places[t.Name] {
				to = append(to, io.NewOffsetWriter(out, begin[name]))
			}
			if _, err := io.CopyN(io.MultiWriter(to...), r, int64(t.Bytes())); err != nil {
				return err
			}
		}
		return nil
	})
}
