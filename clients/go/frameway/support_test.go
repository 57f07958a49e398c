package frameway_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"frameway.example/frameway"
	framewayv1 "frameway.example/gen/frameway/v1"
)

// limit is the maximum wait for anything that must happen, on a busy machine.
const limit = 60 * time.Second

// set says when a scenario runs.
type set int

const (
	short set = 1 << iota // with -short, too
	alone                 // not at the same time as others
	long  set = 0
)

// scenario marks a test as one of clients/scenarios.md. It writes the result to the file of
// $FRAMEWAY_SCENARIOS. With -short, a test that is not in the short set is skipped without a result.
func scenario(t *testing.T, id string, set set) {
	t.Helper()
	if testing.Short() && set&short == 0 {
		t.Skip("not in the short set")
	}
	if set&alone == 0 {
		t.Parallel()
	}
	t.Cleanup(func() {
		result := "ok\t"
		if t.Failed() {
			result = "failed\t"
		}
		if path := os.Getenv("FRAMEWAY_SCENARIOS"); path != "" {
			file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
			if err != nil {
				t.Error(err)
				return
			}
			defer file.Close()
			fmt.Fprintf(file, "%s\t%s\n", id, result)
		}
	})
}

// server is `frameway serve`, on the same port after every restart.
type server struct {
	t       *testing.T
	address string
	args    []string
	folder  string
	process *exec.Cmd
}

func program(t *testing.T) string {
	t.Helper()
	path := os.Getenv("FRAMEWAY")
	if path == "" {
		path = "../../../target/debug/frameway"
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("there is no server program: build it, or set FRAMEWAY: %v", err)
	}
	return path
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// serve starts a server, and stops it when the test ends.
func serve(t *testing.T, args ...string) *server {
	t.Helper()
	s := &server{t: t, address: freePort(t), args: args, folder: t.TempDir()}
	t.Cleanup(s.kill)
	s.start()
	return s
}

func (s *server) start() {
	s.t.Helper()
	bound := filepath.Join(s.folder, "address")
	_ = os.Remove(bound)
	log, err := os.OpenFile(filepath.Join(s.folder, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	must(s.t, err)
	defer log.Close()
	process := exec.Command(program(s.t), append([]string{"serve", "--listen", s.address, "--address-file", bound}, s.args...)...)
	process.Stdout, process.Stderr = log, log
	process.SysProcAttr = child()
	must(s.t, process.Start())
	s.process = process
	eventually(s.t, "the server serves", func() bool {
		_, err := os.Stat(bound)
		if process.Process.Signal(syscall.Signal(0)) != nil {
			text, _ := os.ReadFile(log.Name())
			s.t.Fatalf("the server ended: %s", text)
		}
		return err == nil
	})
}

func (s *server) signal(signal syscall.Signal) {
	s.t.Helper()
	must(s.t, s.process.Process.Signal(signal))
}

// pause stops the process, and waits until each of its threads has stopped (on Linux).
func (s *server) pause() {
	s.t.Helper()
	s.signal(syscall.SIGSTOP)
	eventually(s.t, "the server has stopped", func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", s.process.Process.Pid))
		must(s.t, err)
		return !slices.ContainsFunc(threads, func(thread string) bool {
			stat, err := os.ReadFile(thread)
			// The state follows the name, which is in parentheses.
			return err == nil && !strings.Contains(string(stat), ") T ")
		})
	})
}

// wait waits for the end of the process.
func (s *server) wait() {
	_ = s.process.Wait()
	s.process = nil
}

func (s *server) kill() {
	if s.process != nil {
		_ = s.process.Process.Signal(syscall.SIGCONT)
		_ = s.process.Process.Kill()
		s.wait()
	}
}

// redis starts a Redis server, and returns the flags of a server that uses it.
func redis(t *testing.T) []string {
	t.Helper()
	address := freePort(t)
	_, port, err := net.SplitHostPort(address)
	must(t, err)
	process := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
		"--dir", t.TempDir(), "--maxmemory-policy", "noeviction")
	process.SysProcAttr = child()
	must(t, process.Start())
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	})
	eventually(t, "Redis listens", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return []string{"--redis-url", "redis://" + address + "/0"}
}

// connect returns a client that is closed when the test ends. No goroutine may be left then.
func connect(t *testing.T, config frameway.Config, addresses ...string) *frameway.Client {
	t.Helper()
	config.Addresses = addresses
	client, err := frameway.New(config)
	must(t, err)
	t.Cleanup(func() { must(t, client.Close()) })
	return client
}

func register(t *testing.T, client *frameway.Client, streams ...*framewayv1.Stream) {
	t.Helper()
	for _, stream := range streams {
		_, err := client.Registry.RegisterStream(t.Context(), &framewayv1.RegisterStreamRequest{Stream: stream})
		must(t, err)
	}
}

// cameras returns streams with these ids.
func cameras(ids ...string) (streams []*framewayv1.Stream) {
	for _, id := range ids {
		streams = append(streams, &framewayv1.Stream{StreamId: id})
	}
	return streams
}

// gray returns a frame with a raw picture of 16 x 16 pixels.
func gray(stream string, value int) *framewayv1.Frame {
	return &framewayv1.Frame{
		StreamId: stream, Format: framewayv1.PictureFormat_PICTURE_FORMAT_GRAY8, Width: 16, Height: 16,
		Data: bytes.Repeat([]byte{byte(value)}, 256), Attributes: map[string]string{"number": fmt.Sprint(value)},
	}
}

// photo returns a JPEG.
func photo(t *testing.T, width, height int) []byte {
	t.Helper()
	picture := image.NewGray(image.Rect(0, 0, width, height))
	for i := range picture.Pix {
		picture.Pix[i] = byte(i*7 + i/width*13)
	}
	picture.SetGray(0, 0, color.Gray{255})
	var buffer bytes.Buffer
	must(t, jpeg.Encode(&buffer, picture, nil))
	return buffer.Bytes()
}

func publisher(t *testing.T, client *frameway.Client, config frameway.PublisherConfig) *frameway.Publisher {
	t.Helper()
	if config.ID == "" {
		config.ID = "agent"
	}
	publisher, err := client.NewPublisher(config)
	must(t, err)
	return publisher
}

func publish(t *testing.T, publisher *frameway.Publisher, frames ...*framewayv1.Frame) (results []*frameway.Result) {
	t.Helper()
	for _, frame := range frames {
		result, err := publisher.Publish(within(t), frame)
		must(t, err)
		results = append(results, result)
	}
	return results
}

// grays returns frames of a stream with the values from first to last.
func grays(stream string, first, last int) (frames []*framewayv1.Frame) {
	for value := first; value <= last; value++ {
		frames = append(frames, gray(stream, value))
	}
	return frames
}

// earliest selects streams from their oldest kept frame, with heartbeats every second.
func earliest(streams ...string) *framewayv1.SubscribeFramesRequest {
	selector := frameway.Select(streams...)
	selector.Start = frameway.Earliest()
	return &framewayv1.SubscribeFramesRequest{Selectors: []*framewayv1.StreamSelector{selector}, HeartbeatInterval: seconds(1)}
}

// follower collects the events of a subscription in a goroutine of its own.
type follower struct {
	t      *testing.T
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	events []frameway.Event
	err    error
}

func follow(t *testing.T, client *frameway.Client, request *framewayv1.SubscribeFramesRequest) *follower {
	t.Helper()
	return followFrom(t, client, nil, request)
}

func followFrom(t *testing.T, client *frameway.Client, store frameway.CursorStore, request *framewayv1.SubscribeFramesRequest) *follower {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{t: t, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		for event, err := range client.SubscribeFrom(ctx, store, request) {
			f.mu.Lock()
			if err != nil {
				f.err = err
			} else {
				f.events = append(f.events, event)
			}
			f.mu.Unlock()
		}
	}()
	t.Cleanup(func() { f.stop() })
	return f
}

// stop ends the subscription, and returns its error.
func (f *follower) stop() error {
	f.cancel()
	<-f.done
	return f.err
}

func (f *follower) all() []frameway.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]frameway.Event(nil), f.events...)
}

// numbers returns the attribute "number" of each frame of a stream, in the order of arrival.
func (f *follower) numbers(stream string) (numbers []string) {
	for _, event := range f.all() {
		if frame, ok := event.(*frameway.Frame); ok && frame.StreamId == stream {
			numbers = append(numbers, frame.Attributes["number"])
		}
	}
	return numbers
}

func count[T frameway.Event](f *follower) (count int) {
	for _, event := range f.all() {
		if _, ok := event.(T); ok {
			count++
		}
	}
	return count
}

// await waits until the frames of a stream are those with the numbers from first to last.
func (f *follower) await(stream string, first, last int) {
	f.t.Helper()
	var want []string
	for number := first; number <= last; number++ {
		want = append(want, fmt.Sprint(number))
	}
	eventually(f.t, fmt.Sprintf("%s has the frames %d to %d", stream, first, last), func() bool {
		select {
		case <-f.done:
			f.t.Fatalf("the subscription ended: %v", f.err)
		default:
		}
		return len(f.numbers(stream)) >= len(want)
	})
	if got := f.numbers(stream); strings.Join(got, " ") != strings.Join(want, " ") {
		f.t.Fatalf("%s: got %v, want %v", stream, got, want)
	}
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// wait waits for a channel, or for the end of a test that has failed.
func wait(t *testing.T, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-t.Context().Done():
		return t.Context().Err()
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func seconds(n int) *durationpb.Duration { return durationpb.New(time.Duration(n) * time.Second) }
