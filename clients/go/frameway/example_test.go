package frameway_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"frameway.example/frameway"
	framewayv1 "frameway.example/gen/frameway/v1"
)

var (
	ctx    = context.Background()
	client *frameway.Client
	ids    = []string{"north-gate", "south-gate"}
)

func detect(context.Context, *framewayv1.ProcessedFrame) error { return nil }

func ExampleConnect() {
	client, err := frameway.Connect(ctx, frameway.Config{
		Addresses: []string{"127.0.0.1:7400"},
		Logger:    slog.Default(),
	})
	if err != nil {
		slog.Error("no server", "error", err)
		return
	}
	defer client.Close()
}

func ExampleClient_NewPublisher() {
	publisher, err := client.NewPublisher(frameway.PublisherConfig{ID: "agent-1"})
	if err != nil {
		panic(err)
	}
	picture, _ := os.ReadFile("north-gate.jpg")
	result, err := publisher.Publish(ctx, &framewayv1.Frame{StreamId: "north-gate", Data: picture})
	if err != nil {
		panic(err)
	}
	fate, err := result.Wait(ctx)
	fmt.Println(fate.Sequence, fate.Duplicate, err)
	err = publisher.Close(ctx)
	fmt.Println(err)
}

func ExampleClient_SubscribeFrom() {
	request := &framewayv1.SubscribeFramesRequest{
		Selectors: []*framewayv1.StreamSelector{frameway.Select("north-*")},
	}
	for event, err := range client.SubscribeFrom(ctx, frameway.FileStore("cursors.json"), request) {
		if err != nil {
			panic(err)
		}
		switch event := event.(type) {
		case *frameway.Frame:
			picture, err := event.Image()
			fmt.Println(event.StreamId, event.Sequence, picture.Bounds(), err)
		case *frameway.Gap:
			fmt.Println(event.StreamId, event.FromSequence, event.ToSequence, event.Causes)
		}
	}
}

func ExampleConsumer() {
	consumer := frameway.Consumer{
		Client:      client,
		Request:     &framewayv1.ConsumeFramesRequest{GroupId: "detectors", MemberId: "worker-1"},
		Parallelism: 4,
		Handler: func(ctx context.Context, frame *frameway.Frame) error {
			return detect(ctx, frame.ProcessedFrame)
		},
	}
	err := consumer.Run(ctx)
	fmt.Println(err)
}

func ExampleClient_Latest() {
	newest, err := client.Latest(ctx, ids, nil)
	if err != nil {
		panic(err)
	}
	for _, one := range newest {
		fmt.Println(one.StreamID, one.Frame != nil, one.Missing, one.Age)
	}
}

func ExampleError() {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := client.Streaming.GetFrames(ctx, &framewayv1.GetFramesRequest{StreamId: "gone", Sequences: []uint64{1}})
	var failed *frameway.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Println("too slow")
	case frameway.ReasonOf(err) == framewayv1.ErrorReason_ERROR_REASON_STREAM_NOT_FOUND:
		fmt.Println("no such stream")
	case errors.As(err, &failed):
		fmt.Println(failed.Code, failed.Metadata, failed.RetryDelay, failed.Retryable())
	}
}
