// Command submit publishes pictures from files, and prints what became of each.
//
//	go run ./samples/submit -address 127.0.0.1:7400 -stream north-gate *.jpg
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"

	"frameway.example/frameway"
	framewayv1 "frameway.example/gen/frameway/v1"
)

func main() {
	address := flag.String("address", "127.0.0.1:7400", "the server")
	stream := flag.String("stream", "north-gate", "the stream; it is registered if it is new")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := submit(ctx, *address, *stream, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func submit(ctx context.Context, address, stream string, files []string) error {
	client, err := frameway.Connect(ctx, frameway.Config{Addresses: []string{address}, Logger: slog.Default()})
	if err != nil {
		return err
	}
	defer client.Close()
	request := &framewayv1.RegisterStreamRequest{Stream: &framewayv1.Stream{StreamId: stream}}
	_, err = client.Registry.RegisterStream(ctx, request)
	// A stream that exists with other settings is as good.
	if err != nil && frameway.ReasonOf(err) != framewayv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS {
		return err
	}
	publisher, err := client.NewPublisher(frameway.PublisherConfig{
		ID: "submit-sample",
		OnFate: func(fate frameway.Fate) {
			if fate.Err != nil {
				fmt.Printf("%s: %v\n", fate.Frame.Attributes["file"], fate.Err)
				return
			}
			fmt.Printf("%s: frame %d\n", fate.Frame.Attributes["file"], fate.Sequence)
		},
	})
	if err != nil {
		return err
	}
	for _, file := range files {
		picture, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		frame := &framewayv1.Frame{StreamId: stream, Data: picture, Attributes: map[string]string{"file": filepath.Base(file)}}
		if _, err := publisher.Publish(ctx, frame); err != nil {
			return err
		}
	}
	return publisher.Close(ctx)
}
