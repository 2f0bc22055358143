package aggregate_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// target is a processor to compute the golden models on.
type target struct {
	name     string
	arch     string
	env      string
	fuses    bool   // the compiler fuses x*y + z for it
	emulator string // of QEMU's user mode, for machines that cannot run it themselves
}

// aggregatePath is how the compiler begins the names of the package's functions.
const aggregatePath = "github.com/weft-mesh/weft/aggregate."

var targets = []target{
	{"amd64 v1", "amd64", "GOAMD64=v1", false, "qemu-x86_64"},
	{"amd64 v3", "amd64", "GOAMD64=v3", true, "qemu-x86_64"},
	{"arm64", "arm64", "GOARM64=v8.0", true, "qemu-aarch64"},
}

var (
	// fusing matches the multiply-adds of amd64 and arm64 as Go's compiler writes them.
	fusing = regexp.MustCompile(`\b(VFN?M(ADD|SUB)[0-9]+S[SD]|FN?M(ADD|SUB)[SD])\b`)
	// function matches the head of each function in what the compiler writes.
	function = regexp.MustCompile(`(?m)^(\S+) STEXT`)
)

// The golden models come out the same on other processors, and no fused instruction was
// compiled into what computes them. What cannot be run here is skipped; with WEFT_TEST_ALL=1 it fails.
func TestSameBitsOnAllProcessors(t *testing.T) {
	if testing.Short() {
		t.Skip("builds for three processors")
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		missing(t, "no go command in PATH to build for other processors with")
	}
	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) {
			t.Parallel()
			binary := filepath.Join(t.TempDir(), "golden")
			build := exec.Command(goTool, "build", "-ldflags=-s -w", "-gcflags=github.com/weft-mesh/weft/...=-S", "-o", binary, "./testdata/golden")
			build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+target.arch, target.env)
			assembly, err := build.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", build, err, assembly)
			}
			target.checkAssembly(t, string(assembly))

			checkGolden(t, target.output(t, binary))
			if target.arch != runtime.GOARCH && os.Getenv("WEFT_TEST_ALL") != "1" {
				return // an emulator takes its time
			}
			names, want := goldenStrategies(t)
			if got := string(target.output(t, binary, names...)); got != want {
				t.Errorf("other models than those that meshes agreed on; got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// output runs a binary of the target.
func (target target) output(t *testing.T, binary string, args ...string) []byte {
	t.Helper()
	var problems strings.Builder
	command := target.command(t, binary)
	command.Args, command.Stderr = append(command.Args, args...), &problems
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, &problems)
	}
	return out
}

// checkAssembly looks at each function for fused instructions: there is one in main.unguarded,
// if the compiler ever makes any for this processor, and none elsewhere.
func (target target) checkAssembly(t *testing.T, assembly string) {
	t.Helper()
	heads := function.FindAllStringSubmatchIndex(assembly, -1)
	seen := map[string]bool{}
	for i, head := range heads {
		end := len(assembly)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		name, found := assembly[head[2]:head[3]], fusing.FindString(assembly[head[1]:end])
		seen[name] = true
		if found != "" && name != "main.unguarded" {
			t.Errorf("%s has %s, a product and a sum fused; is an explicit float64(...) missing?", name, found)
		}
		if name == "main.unguarded" && target.fuses != (found != "") {
			t.Errorf("x*y + z became %q: this test does not know the compiler any more", found)
		}
	}
	for _, name := range []string{"main.unguarded", aggregatePath + "add2", aggregatePath + "addChange", aggregatePath + "addChangeOf", aggregatePath + "nesterov.Step"} {
		if !seen[name] {
			t.Errorf("%s is not among the %d functions that were compiled", name, len(heads))
		}
	}
}

// command returns how to run a binary of the target.
func (target target) command(t *testing.T, binary string) *exec.Cmd {
	t.Helper()
	if target.arch == runtime.GOARCH && exec.Command(binary).Run() == nil {
		return exec.Command(binary)
	}
	for _, name := range []string{target.emulator, target.emulator + "-static"} {
		if path, err := exec.LookPath(name); err == nil {
			return exec.Command(path, binary)
		}
	}
	missing(t, fmt.Sprintf("cannot run %s here: needs %s (Debian: apt-get install qemu-user)", target.name, target.emulator))
	return nil
}

// missing skips the test for want of a tool, or fails it if nothing may be skipped.
func missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("WEFT_TEST_ALL") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}
