package frameway_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"frameway.example/frameway"
	framewayv1 "frameway.example/gen/frameway/v1"
)

// Every Go block of the README is part of an example, so that it compiles.
func TestReadmeCompiles(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	must(t, err)
	examples, err := os.ReadFile("example_test.go")
	must(t, err)
	squeeze := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	blocks := strings.Split(string(readme), "```go\n")[1:]
	if len(blocks) < 4 {
		t.Errorf("%d blocks", len(blocks))
	}
	for _, block := range blocks {
		code, _, _ := strings.Cut(block, "```")
		if !strings.Contains(squeeze(string(examples)), squeeze(code)) {
			t.Errorf("no example has this block:\n%s", code)
		}
	}
}

// The samples do what they say, one after the other, on one server.
func TestSamples(t *testing.T) {
	t.Parallel()
	address := serve(t).address
	programs, files := t.TempDir(), t.TempDir()
	build := exec.Command("go", "build", "-o", programs, "./samples/...")
	build.Dir = ".."
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	run := func(name string, args ...string) string {
		t.Helper()
		command := exec.CommandContext(within(t), filepath.Join(programs, name), append([]string{"-address", address}, args...)...)
		var stderr bytes.Buffer
		command.Dir, command.Stderr = files, &stderr
		output, err := command.Output()
		if err != nil {
			t.Fatalf("%s: %v: %s", name, err, &stderr)
		}
		return string(output)
	}
	for _, name := range []string{"a.jpg", "b.jpg", "c.jpg"} {
		must(t, os.WriteFile(filepath.Join(files, name), photo(t, 80, 60), 0o600))
	}
	if output := run("submit", "-stream", "cam", "a.jpg", "b.jpg", "c.jpg"); output != "a.jpg: frame 1\nb.jpg: frame 2\nc.jpg: frame 3\n" {
		t.Errorf("submit: %s", output)
	}
	// The second start goes on after the first two frames.
	for _, want := range []string{"cam-00000001 cam-00000002", "cam-00000003"} {
		count := len(strings.Fields(want))
		output := run("subscribe", "-count", string(rune('0'+count)), "cam")
		for _, file := range strings.Fields(want) {
			if !strings.Contains(output, file) || strings.Count(output, "\n") != count {
				t.Errorf("subscribe: %s", output)
			}
		}
	}
	if output := run("consume", "-count", "3", "cam"); strings.Count(output, "mean brightness") != 3 {
		t.Errorf("consume: %s", output)
	}
	client := connect(t, frameway.Config{}, address)
	answer, err := client.Groups.GetConsumerGroup(within(t), &framewayv1.GetConsumerGroupRequest{GroupId: "detectors"})
	must(t, err)
	if answer.Group.Status.AcknowledgedFrames != 3 {
		t.Errorf("%v", answer.Group.Status)
	}
}
