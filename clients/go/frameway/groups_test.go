package frameway_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"frameway.example/frameway"
	framewayv1 "frameway.example/gen/frameway/v1"
)

func group30s(id string) *framewayv1.ConsumerGroup {
	return &framewayv1.ConsumerGroup{
		GroupId: id, Streams: frameway.Select("*").Streams, Start: frameway.Earliest(), AckDeadline: seconds(30),
		Backoff: &framewayv1.RetryBackoff{MinDelay: durationpb.New(0), MaxDelay: durationpb.New(0)},
	}
}

func group(t *testing.T, client *frameway.Client, group *framewayv1.ConsumerGroup) {
	t.Helper()
	_, err := client.Groups.CreateConsumerGroup(within(t), &framewayv1.CreateConsumerGroupRequest{Group: group})
	must(t, err)
}

func status(t *testing.T, client *frameway.Client, id string) *framewayv1.ConsumerGroupStatus {
	t.Helper()
	answer, err := client.Groups.GetConsumerGroup(within(t), &framewayv1.GetConsumerGroupRequest{GroupId: id})
	must(t, err)
	return answer.Group.Status
}

// acknowledged waits until a group has acknowledged exactly this many frames.
func acknowledged(t *testing.T, client *frameway.Client, id string, frames uint64) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d frames are acknowledged", frames), func() bool {
		status := status(t, client, id)
		return status.AcknowledgedFrames == frames && status.OutstandingFrames == 0
	})
}

// member is a running consumer.
type member struct {
	t        *testing.T
	consumer *frameway.Consumer
	cancel   context.CancelFunc
	ended    chan struct{}
	err      error

	mu      sync.Mutex
	numbers []string
}

var memberIDs struct {
	sync.Mutex
	last int
}

// join runs a consumer of the group "detectors"; handle gets the attribute "number" of each frame.
func join(t *testing.T, client *frameway.Client, parallelism int, handle func(number string) error) *member {
	t.Helper()
	memberIDs.Lock()
	memberIDs.last++
	id := fmt.Sprintf("member-%d", memberIDs.last)
	memberIDs.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{t: t, cancel: cancel, ended: make(chan struct{})}
	m.consumer = &frameway.Consumer{
		Client: client,
		Request: &framewayv1.ConsumeFramesRequest{
			GroupId: "detectors", MemberId: id, HeartbeatInterval: seconds(1), MaxOutstandingFrames: proto.Uint32(100),
		},
		Parallelism: parallelism,
		Handler: func(_ context.Context, frame *frameway.Frame) error {
			m.mu.Lock()
			m.numbers = append(m.numbers, frame.Attributes["number"])
			m.mu.Unlock()
			return handle(frame.Attributes["number"])
		},
	}
	go func() {
		defer close(m.ended)
		m.err = m.consumer.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-m.ended
	})
	return m
}

func (m *member) begun() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.numbers)
}

func (m *member) shutdown() error {
	m.t.Helper()
	if err := m.consumer.Shutdown(within(m.t)); err != nil {
		return err
	}
	<-m.ended
	return m.err
}

func TestConsume(t *testing.T) {
	scenario(t, "consume", short)
	address := serve(t).address
	client, other := connect(t, frameway.Config{}, address), connect(t, frameway.Config{}, address)
	register(t, client, cameras("cam")...)
	group(t, client, group30s("detectors"))
	both := make(chan struct{})
	var once sync.Once
	var first, second *member
	// Each waits until the other has a frame, too.
	handle := func(string) error {
		if first.begun() > 0 && second.begun() > 0 {
			once.Do(func() { close(both) })
		}
		return wait(t, both)
	}
	ready := make(chan struct{})
	first = join(t, client, 2, func(n string) error { <-ready; return handle(n) })
	second = join(t, other, 2, func(n string) error { <-ready; return handle(n) })
	close(ready)
	eventually(t, "both have joined", func() bool { return len(status(t, client, "detectors").Members) == 2 })
	agent := publisher(t, client, frameway.PublisherConfig{})
	publish(t, agent, grays("cam", 1, 40)...)
	must(t, agent.Close(within(t)))
	acknowledged(t, client, "detectors", 40)
	if a, b := first.begun(), second.begun(); a+b != 40 || a == 0 || b == 0 {
		t.Errorf("%d and %d frames were handled", a, b)
	}
	must(t, first.shutdown())
	must(t, second.shutdown())
}

func TestHandlerThrows(t *testing.T) {
	scenario(t, "handler-throws", short)
	client := connect(t, frameway.Config{}, serve(t).address)
	register(t, client, cameras("cam")...)
	detectors := group30s("detectors")
	detectors.MaxDeliveryAttempts = proto.Uint32(3)
	group(t, client, detectors)
	member := join(t, client, 1, func(number string) error {
		switch number {
		case "3":
			return errors.New("no plate is readable")
		case "4":
			panic("a fault of the handler")
		}
		return nil
	})
	agent := publisher(t, client, frameway.PublisherConfig{})
	publish(t, agent, grays("cam", 1, 10)...)
	must(t, agent.Close(within(t)))
	var letters []*framewayv1.DeadLetter
	eventually(t, "dead letters appear", func() bool {
		answer, err := client.DeadLetters.ListDeadLetters(within(t), &framewayv1.ListDeadLettersRequest{})
		must(t, err)
		letters = answer.DeadLetters
		return len(letters) == 2
	})
	for _, letter := range letters {
		want := map[uint64]string{3: "no plate is readable", 4: "panic: a fault of the handler"}[letter.Sequence]
		if want == "" || letter.Attempts != 3 || !strings.Contains(letter.Message, want) {
			t.Errorf("frame %d became a dead letter after %d attempts: %s", letter.Sequence, letter.Attempts, letter.Message)
		}
	}
	eventually(t, "the others are acknowledged", func() bool { return status(t, client, "detectors").LagFrames == 0 })
	if begun := member.begun(); begun != 8+2*3 {
		t.Errorf("the handler was called %d times", begun)
	}
	must(t, member.shutdown())
}

func TestRejectedAtOnce(t *testing.T) {
	t.Parallel()
	client := connect(t, frameway.Config{}, serve(t).address)
	register(t, client, cameras("cam")...)
	group(t, client, group30s("detectors"))
	member := join(t, client, 1, func(string) error { return &frameway.Reject{Err: errors.New("unusable"), DeadLetter: true} })
	agent := publisher(t, client, frameway.PublisherConfig{})
	publish(t, agent, gray("cam", 1))
	must(t, agent.Close(within(t)))
	eventually(t, "the frame is a dead letter", func() bool { return status(t, client, "detectors").DeadLetterFrames == 1 })
	must(t, member.shutdown())
	if begun := member.begun(); begun != 1 {
		t.Errorf("the handler was called %d times", begun)
	}
}

func TestLongHandler(t *testing.T) {
	scenario(t, "long-handler", long)
	client := connect(t, frameway.Config{}, serve(t).address)
	register(t, client, cameras("cam")...)
	detectors := group30s("detectors")
	detectors.AckDeadline = seconds(1)
	group(t, client, detectors)
	release := make(chan struct{})
	member := join(t, client, 1, func(string) error { return wait(t, release) })
	agent := publisher(t, client, frameway.PublisherConfig{})
	publish(t, agent, gray("cam", 1))
	must(t, agent.Close(within(t)))
	begin := time.Now()
	eventually(t, "four deadlines have passed", func() bool {
		return time.Since(begin) > 4*time.Second && status(t, client, "detectors").OutstandingFrames == 1
	})
	close(release)
	acknowledged(t, client, "detectors", 1)
	if status := status(t, client, "detectors"); status.RedeliveredFrames != 0 || member.begun() != 1 {
		t.Errorf("%d deliveries, %d redelivered", member.begun(), status.RedeliveredFrames)
	}
	must(t, member.shutdown())
}

func TestConsumerDrain(t *testing.T) {
	scenario(t, "consumer-drain", long)
	client := connect(t, frameway.Config{}, serve(t).address)
	register(t, client, cameras("cam")...)
	detectors := group30s("detectors")
	detectors.AckDeadline = seconds(600)
	group(t, client, detectors)
	release := make(chan struct{})
	first := join(t, client, 2, func(string) error { return wait(t, release) })
	agent := publisher(t, client, frameway.PublisherConfig{})
	publish(t, agent, grays("cam", 1, 10)...)
	must(t, agent.Close(within(t)))
	eventually(t, "all frames are at the first member", func() bool {
		return status(t, client, "detectors").OutstandingFrames == 10 && first.begun() == 2
	})
	ended := make(chan error, 1)
	go func() { ended <- first.shutdown() }()
	// The eight others come at once, long before their deadline, while the two handlers still run.
	second := join(t, client, 1, func(string) error { return nil })
	eventually(t, "the other frames have gone back", func() bool { return second.begun() == 8 })
	if begun := first.begun(); begun != 2 {
		t.Errorf("%d handlers have begun", begun)
	}
	close(release)
	must(t, <-ended)
	acknowledged(t, client, "detectors", 10)
	must(t, second.shutdown())
}
