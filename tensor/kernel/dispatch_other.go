//go:build (!amd64 && !arm64) || purego

package kernel

// All returns the kinds that this processor has: none.
func All() []Kernel { return nil }

func (Kernel) mean(Type, *byte, *float64, *[]byte, *float64, int, int, float64, bool) bool {
	panic("kernel: no vector code here")
}

func (Kernel) finite(Type, *byte, int) bool { panic("kernel: no vector code here") }
