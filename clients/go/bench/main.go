// Command bench compares the layer with the bare generated stub: the frames per second of a publisher
// and of a subscriber, in alternating rounds of one run. It needs a server of its own:
//
//	frameway serve --listen 127.0.0.1:7411 --memory-budget 2GiB
//	go run ./bench -address 127.0.0.1:7411
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"slices"
	"syscall"
	"time"

	"google.golang.org/protobuf/proto"

	"frameway.example/frameway"
	framewayv1 "frameway.example/gen/frameway/v1"
)

const (
	batchFrames = 20
	inFlight    = 8
)

func main() {
	address := flag.String("address", "127.0.0.1:7400", "the server")
	frames := flag.Int("frames", 500, "the frames of a round")
	size := flag.Int("size", 200_000, "the bytes of a picture")
	rounds := flag.Int("rounds", 5, "the rounds of each kind")
	flag.Parse()
	if err := run(context.Background(), *address, *frames, *size, *rounds); err != nil {
		log.Fatal(err)
	}
}

type round struct {
	client  *frameway.Client
	stream  string
	picture []byte
	frames  int
}

func run(ctx context.Context, address string, frames, size, rounds int) error {
	client, err := frameway.Connect(ctx, frameway.Config{Addresses: []string{address}})
	if err != nil {
		return err
	}
	defer client.Close()
	kinds := []struct {
		name               string
		publish, subscribe func(context.Context, round) error
	}{
		{"stub", stubPublish, stubSubscribe},
		{"layer", layerPublish, layerSubscribe},
	}
	figures, spent := map[string][]float64{}, map[string]time.Duration{}
	for number := range 2 * rounds {
		kind := kinds[number%len(kinds)]
		r := round{client: client, stream: fmt.Sprintf("bench-%d", number), picture: make([]byte, size), frames: frames}
		copy(r.picture, "\xff\xd8\xff\xe0") // A relayed picture is not read further.
		if err := register(ctx, client, r.stream); err != nil {
			return err
		}
		measure := func(what string, do func(context.Context, round) error) error {
			begin, cpu := time.Now(), cpuTime()
			err := do(ctx, r)
			spent[what+" "+kind.name] += cpuTime() - cpu
			figures[what+" "+kind.name] = append(figures[what+" "+kind.name], float64(frames)/time.Since(begin).Seconds())
			return err
		}
		if err := measure("publish", kind.publish); err != nil {
			return err
		}
		if err := published(ctx, r); err != nil {
			return err
		}
		if err := measure("subscribe", kind.subscribe); err != nil {
			return err
		}
		if _, err := client.Registry.UnregisterStream(ctx, &framewayv1.UnregisterStreamRequest{StreamId: r.stream}); err != nil {
			return err
		}
	}
	for _, what := range []string{"publish", "subscribe"} {
		stub, layer := figures[what+" stub"], figures[what+" layer"]
		slices.Sort(stub)
		slices.Sort(layer)
		stubCPU, layerCPU := spent[what+" stub"], spent[what+" layer"]
		fmt.Printf("%-9s CPU     stub %6.3f ms/frame   layer %6.3f ms/frame   ratio %.2f\n", what,
			perFrame(stubCPU, rounds*frames), perFrame(layerCPU, rounds*frames), float64(stubCPU)/float64(layerCPU))
		for name, at := range map[string]int{"median": rounds / 2, "best": rounds - 1} {
			fmt.Printf("%-9s %-6s  stub %6.0f frames/s  layer %6.0f frames/s  ratio %.2f\n", what, name, stub[at], layer[at], layer[at]/stub[at])
		}
	}
	return nil
}

// cpuTime returns the processor time of this process, which other load on the machine disturbs less.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func perFrame(spent time.Duration, frames int) float64 {
	return spent.Seconds() * 1000 / float64(frames)
}

func register(ctx context.Context, client *frameway.Client, stream string) error {
	_, err := client.Registry.RegisterStream(ctx, &framewayv1.RegisterStreamRequest{Stream: &framewayv1.Stream{
		StreamId:  stream,
		Output:    &framewayv1.OutputPolicy{ReencodeMode: framewayv1.ReencodeMode_REENCODE_MODE_RELAY},
		Queue:     &framewayv1.QueuePolicy{MaxFrames: proto.Uint64(100_000), MaxBytes: proto.Uint64(1 << 30)},
		Retention: &framewayv1.RetentionPolicy{MaxFrames: proto.Uint64(100_000), MaxBytes: proto.Uint64(1 << 30)},
	}})
	return err
}

// published waits until the server has published all frames of a round.
func published(ctx context.Context, r round) error {
	for {
		answer, err := r.client.Registry.GetStream(ctx, &framewayv1.GetStreamRequest{StreamId: r.stream})
		if err != nil || answer.Stream.Status.PublishedFrames >= uint64(r.frames) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (r round) frame(number int) *framewayv1.Frame {
	return &framewayv1.Frame{StreamId: r.stream, PublisherSequence: proto.Uint64(uint64(number)), Data: r.picture}
}

func layerPublish(ctx context.Context, r round) error {
	var failed error
	publisher, err := r.client.NewPublisher(frameway.PublisherConfig{ID: "bench", OnFate: func(fate frameway.Fate) {
		if fate.Err != nil {
			failed = fate.Err
		}
	}})
	if err != nil {
		return err
	}
	for number := 1; number <= r.frames; number++ {
		if _, err := publisher.Publish(ctx, r.frame(number)); err != nil {
			return err
		}
	}
	if err := publisher.Close(ctx); err != nil {
		return err
	}
	return failed
}

// stubPublish does the least that a program on the stub can do: batches of a fixed size, a fixed number
// in flight, and an end at the first refusal.
func stubPublish(ctx context.Context, r round) error {
	call, err := r.client.Streaming.SubmitFrames(ctx)
	if err != nil {
		return err
	}
	setup := &framewayv1.SubmitSetup{PublisherId: "bench"}
	if err := call.Send(&framewayv1.SubmitFramesRequest{Request: &framewayv1.SubmitFramesRequest_Setup{Setup: setup}}); err != nil {
		return err
	}
	slots, received := make(chan struct{}, inFlight), make(chan error, 1)
	go func() {
		for {
			message, err := call.Recv()
			if err != nil {
				received <- err
				return
			}
			if result := message.GetBatchResult(); result != nil {
				for _, one := range result.Results {
					if one.GetAccepted() == nil {
						received <- fmt.Errorf("refused: %v", one)
						return
					}
				}
				<-slots
			}
		}
	}()
	for first := 1; first <= r.frames; first += batchFrames {
		batch := &framewayv1.SubmitBatch{BatchId: uint64(first)}
		for number := first; number < first+batchFrames && number <= r.frames; number++ {
			batch.Frames = append(batch.Frames, r.frame(number))
		}
		select {
		case slots <- struct{}{}:
		case err := <-received:
			return err
		}
		if err := call.Send(&framewayv1.SubmitFramesRequest{Request: &framewayv1.SubmitFramesRequest_Batch{Batch: batch}}); err != nil {
			return err
		}
	}
	if err := call.CloseSend(); err != nil {
		return err
	}
	if err := <-received; err.Error() != "EOF" {
		return err
	}
	return nil
}

func (r round) request() *framewayv1.SubscribeFramesRequest {
	selector := frameway.Select(r.stream)
	selector.Start = frameway.Earliest()
	return &framewayv1.SubscribeFramesRequest{Selectors: []*framewayv1.StreamSelector{selector}, StopAfterFrames: proto.Uint64(uint64(r.frames))}
}

func layerSubscribe(ctx context.Context, r round) error {
	frames := 0
	for event, err := range r.client.Subscribe(ctx, r.request()) {
		if err != nil {
			return err
		}
		if frame, ok := event.(*frameway.Frame); ok && len(frame.Pictures[0].GetData()) == len(r.picture) {
			frames++
		}
	}
	if frames != r.frames {
		return fmt.Errorf("%d of %d frames came", frames, r.frames)
	}
	return nil
}

func stubSubscribe(ctx context.Context, r round) error {
	call, err := r.client.Streaming.SubscribeFrames(ctx, r.request())
	if err != nil {
		return err
	}
	for frames := 0; frames < r.frames; {
		message, err := call.Recv()
		if err != nil {
			return err
		}
		if frame := message.GetFrame(); frame != nil && len(frame.Frame.Pictures[0].GetData()) == len(r.picture) {
			frames++
		}
	}
	return nil
}
