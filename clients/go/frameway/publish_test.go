package frameway_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"frameway.example/frameway"
	framewayv1 "frameway.example/gen/frameway/v1"
)

// fates collects the fates of a publisher.
type fates struct {
	mu  sync.Mutex
	all []frameway.Fate
}

func (f *fates) add(fate frameway.Fate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, fate)
}

func (f *fates) list() []frameway.Fate {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.all)
}

func TestSubmitAndSubscribe(t *testing.T) {
	scenario(t, "submit-and-subscribe", short)
	client := connect(t, frameway.Config{}, serve(t).address)
	register(t, client, cameras("north", "south")...)
	follower := follow(t, client, earliest("*"))
	agent := publisher(t, client, frameway.PublisherConfig{})
	for value := 1; value <= 10; value++ {
		publish(t, agent, gray("north", value), gray("south", value))
	}
	must(t, agent.Close(within(t)))
	follower.await("north", 1, 10)
	follower.await("south", 1, 10)
	for _, event := range follower.all() {
		if frame, ok := event.(*frameway.Frame); ok && len(frame.Picture(framewayv1.PictureRole_PICTURE_ROLE_PROCESSED).GetData()) == 0 {
			t.Errorf("frame %d of %s has no picture", frame.Sequence, frame.StreamId)
		}
	}
}

func TestDuplicate(t *testing.T) {
	scenario(t, "duplicate", short)
	client := connect(t, frameway.Config{}, serve(t).address)
	register(t, client, cameras("cam")...)
	follower := follow(t, client, earliest("cam"))
	for round := range 2 {
		var fates fates
		agent := publisher(t, client, frameway.PublisherConfig{OnFate: fates.add})
		for value := 1; value <= 5; value++ {
			frame := gray("cam", value)
			frame.PublisherSequence = proto.Uint64(uint64(value))
			publish(t, agent, frame)
		}
		must(t, agent.Close(within(t)))
		for i, fate := range fates.list() {
			if fate.Err != nil || fate.Sequence != uint64(i+1) || fate.Duplicate != (round == 1) {
				t.Errorf("round %d: %+v", round, fate)
			}
		}
	}
	last := publisher(t, client, frameway.PublisherConfig{})
	publish(t, last, gray("cam", 6))
	must(t, last.Close(within(t)))
	follower.await("cam", 1, 6)
}

func TestBadFrame(t *testing.T) {
	scenario(t, "bad-frame", short)
	client := connect(t, frameway.Config{}, serve(t).address)
	register(t, client, cameras("cam")...)
	agent := publisher(t, client, frameway.PublisherConfig{})
	bad := &framewayv1.Frame{StreamId: "cam", Width: 64, Height: 48, Data: []byte("this is no picture")}
	results := publish(t, agent, gray("cam", 1), bad, gray("cam", 3))
	for i, result := range results {
		fate, err := result.Wait(within(t))
		var refused *frameway.FrameError
		switch {
		case i != 1:
			must(t, err)
		case !errors.As(err, &refused) || refused.Reason != framewayv1.ErrorReason_ERROR_REASON_PICTURE_FORMAT_UNKNOWN || fate.Frame != bad:
			t.Errorf("the bad frame: %v", err)
		default:
			oneLine(t, err, "frame 2 of cam", "PICTURE_FORMAT_UNKNOWN")
		}
	}
	must(t, agent.Close(within(t)))
}

func TestOrderAfterRefusal(t *testing.T) {
	scenario(t, "order-after-refusal", short)
	client := connect(t, frameway.Config{}, serve(t).address)
	register(t, client, &framewayv1.Stream{StreamId: "cam", Queue: &framewayv1.QueuePolicy{MaxFrames: proto.Uint64(4)}})
	follower := follow(t, client, earliest("cam"))
	queues, err := client.Queues.ListQueues(within(t), &framewayv1.ListQueuesRequest{})
	must(t, err)
	for _, queue := range queues.Queues {
		_, err := client.Queues.PauseQueue(within(t), &framewayv1.PauseQueueRequest{Target: &framewayv1.PauseQueueRequest_QueueId{QueueId: queue.QueueId}})
		must(t, err)
	}
	var fates fates
	agent := publisher(t, client, frameway.PublisherConfig{OnFate: fates.add, BatchFrames: 3})
	publish(t, agent, grays("cam", 1, 20)...)
	eventually(t, "the queue is full", func() bool { return len(fates.list()) == 4 })
	for _, queue := range queues.Queues {
		_, err := client.Queues.ResumeQueue(within(t), &framewayv1.ResumeQueueRequest{Target: &framewayv1.ResumeQueueRequest_QueueId{QueueId: queue.QueueId}})
		must(t, err)
	}
	must(t, agent.Close(within(t)))
	for i, fate := range fates.list() {
		if fate.Err != nil || fate.Sequence != uint64(i+1) || fate.Duplicate {
			t.Errorf("frame %d: %+v", i+1, fate)
		}
	}
	follower.await("cam", 1, 20)
}

func TestPublisherRestart(t *testing.T) {
	scenario(t, "publisher-restart", long)
	server := serve(t)
	client := connect(t, frameway.Config{}, server.address)
	register(t, client, cameras("cam")...)
	follower := follow(t, client, earliest("cam"))
	var fates fates
	first := publisher(t, client, frameway.PublisherConfig{OnFate: fates.add, BatchFrames: 1})
	publish(t, first, grays("cam", 1, 50)...)
	eventually(t, "some frames are stored", func() bool { return len(fates.list()) > 5 })
	// It ends without waiting for the rest: nobody knows which of the frames in flight are stored.
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_ = first.Close(ended)

	second := publisher(t, client, frameway.PublisherConfig{})
	// The server may still store what had reached it, so the position is read until it rests.
	position, err := second.Position(within(t), "cam")
	must(t, err)
	if position < 5 || position > 50 {
		t.Fatalf("the position is %d", position)
	}
	publish(t, second, grays("cam", int(position)+1, 60)...)
	must(t, second.Close(within(t)))
	follower.await("cam", 1, 60)
}

func TestBoundedPublisher(t *testing.T) {
	scenario(t, "bounded-publisher", short)
	server := serve(t)
	client := connect(t, frameway.Config{}, server.address)
	register(t, client, cameras("cam")...)
	const maxBytes = 1 << 20
	agent := publisher(t, client, frameway.PublisherConfig{MaxBytes: maxBytes})
	server.pause()
	size := 0
	for {
		frame := gray("cam", size)
		frame.Width, frame.Height, frame.Data = 256, 256, make([]byte, 1<<16)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err := agent.Publish(ctx, frame)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		must(t, err)
		if size += len(frame.Data); size > maxBytes {
			t.Fatalf("%d bytes are undecided", size)
		}
	}
	if size < maxBytes/2 {
		t.Errorf("only %d bytes were taken", size)
	}
	server.signal(syscall.SIGCONT)
	must(t, agent.Close(within(t)))
}

// A program that numbers nothing continues after a restart, and streams may be added at any time.
func TestNumbersContinue(t *testing.T) {
	t.Parallel()
	client := connect(t, frameway.Config{}, serve(t).address)
	register(t, client, cameras("a", "b", "c")...)
	for round := range 3 {
		agent := publisher(t, client, frameway.PublisherConfig{Linger: time.Millisecond})
		for _, stream := range []string{"a", "b", "c"} {
			fate, err := publish(t, agent, gray(stream, round))[0].Wait(within(t))
			must(t, err)
			if fate.Sequence != uint64(round+1) || fate.Frame.GetPublisherSequence() != uint64(round+1) {
				t.Errorf("%s: %+v", stream, fate)
			}
		}
		must(t, agent.Flush(within(t)))
		must(t, agent.Close(within(t)))
		if _, err := agent.Publish(within(t), gray("a", 9)); !errors.Is(err, frameway.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

func TestFrameOfAnUnknownStream(t *testing.T) {
	t.Parallel()
	client := connect(t, frameway.Config{}, serve(t).address)
	agent := publisher(t, client, frameway.PublisherConfig{})
	_, err := publish(t, agent, gray("nobody", 1))[0].Wait(within(t))
	if frameway.ReasonOf(err) != framewayv1.ErrorReason_ERROR_REASON_STREAM_NOT_FOUND {
		t.Error(err)
	}
	if _, err := agent.Publish(within(t), &framewayv1.Frame{StreamId: "nobody", Data: make([]byte, 33<<20)}); err == nil {
		t.Error("a frame that fits in no message is taken")
	} else {
		oneLine(t, err, "send a smaller picture")
	}
	must(t, agent.Close(within(t)))
	if text := fmt.Sprint(err); text == "" {
		t.Error("no text")
	}
}
