package learn

import (
	"testing"

	"github.com/weft-mesh/weft/scenarios"
)

func TestDeal(t *testing.T) {
	for _, d := range []scenarios.Data{{Partition: scenarios.BySource}, {Partition: scenarios.Dirichlet, Alpha: 0.1}, {Partition: scenarios.Dirichlet, Alpha: 100}, {Partition: scenarios.Shards, Shards: 2}} {
		texts, err := deal(d, 8, 1)
		if err != nil {
			t.Fatal(err)
		}
		most := 0.0
		for i, text := range texts {
			sum := 0.0
			for _, part := range text.mix {
				sum += part
				most = max(most, part)
			}
			if len(text.data) < leastText || sum < 0.999 || sum > 1.001 {
				t.Errorf("%+v: site %d has %d bytes, mix %v", d, i, len(text.data), text.mix)
			}
		}
		if alike := d.Alpha == 100; alike != (most < 0.6) {
			t.Errorf("%+v: the largest part of a mix is %v", d, most)
		}
	}
}
