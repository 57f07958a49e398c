// Command subscribe saves the pictures of streams to a folder, and goes on where it ended when it is
// started again.
//
//	go run ./samples/subscribe -address 127.0.0.1:7400 -folder received 'north-*'
package main

import (
	"context"
	"errors"
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
	folder := flag.String("folder", "received", "the folder for pictures and cursors")
	count := flag.Uint64("count", 0, "end after this many frames; 0 = never")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := subscribe(ctx, *address, *folder, *count, flag.Args())
	if err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

func subscribe(ctx context.Context, address, folder string, count uint64, streams []string) error {
	client, err := frameway.Connect(ctx, frameway.Config{Addresses: []string{address}, Logger: slog.Default()})
	if err != nil {
		return err
	}
	defer client.Close()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	selector := frameway.Select(streams...)
	selector.Start = frameway.Earliest()
	request := &framewayv1.SubscribeFramesRequest{Selectors: []*framewayv1.StreamSelector{selector}}
	if count > 0 {
		request.StopAfterFrames = &count
	}
	store := frameway.FileStore(filepath.Join(folder, "cursors.json"))
	for event, err := range client.SubscribeFrom(ctx, store, request) {
		if err != nil {
			return err
		}
		switch event := event.(type) {
		case *frameway.Frame:
			picture := event.Picture(framewayv1.PictureRole_PICTURE_ROLE_PROCESSED)
			file := filepath.Join(folder, fmt.Sprintf("%s-%08d", event.StreamId, event.Sequence))
			if err := os.WriteFile(file, picture.GetData(), 0o644); err != nil {
				return err
			}
			fmt.Printf("%s: %d bytes\n", file, len(picture.GetData()))
		case *frameway.Gap:
			fmt.Printf("%s: frames %d to %d are missing: %v\n", event.StreamId, event.FromSequence, event.ToSequence, event.Causes)
		}
	}
	return nil
}
