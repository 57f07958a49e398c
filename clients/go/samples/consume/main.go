// Command consume is a member of a consumer group. It measures the mean brightness of each picture.
// Ctrl-C lets it finish the pictures that it has begun.
//
//	go run ./samples/consume -address 127.0.0.1:7400 -group detectors -member worker-1 'north-*'
package main

import (
	"context"
	"flag"
	"fmt"
	"image/color"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"frameway.example/frameway"
	framewayv1 "frameway.example/gen/frameway/v1"
)

func main() {
	address := flag.String("address", "127.0.0.1:7400", "the server")
	group := flag.String("group", "detectors", "the group; it is created if it is new")
	member := flag.String("member", "worker-1", "the name of this member")
	count := flag.Uint64("count", 0, "end after this many frames; 0 = never")
	flag.Parse()
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := consume(interrupted, *address, *group, *member, *count, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func consume(interrupted context.Context, address, group, member string, count uint64, streams []string) error {
	client, err := frameway.Connect(interrupted, frameway.Config{Addresses: []string{address}, Logger: slog.Default()})
	if err != nil {
		return err
	}
	defer client.Close()
	create := &framewayv1.CreateConsumerGroupRequest{Group: &framewayv1.ConsumerGroup{
		GroupId: group, Streams: frameway.Select(streams...).Streams, Start: frameway.Earliest(),
	}}
	if _, err := client.Groups.CreateConsumerGroup(interrupted, create); err != nil {
		return err
	}
	request := &framewayv1.ConsumeFramesRequest{GroupId: group, MemberId: member}
	if count > 0 {
		request.StopAfterFrames = &count
	}
	consumer := frameway.Consumer{Client: client, Request: request, Parallelism: 4, Handler: handle}
	defer context.AfterFunc(interrupted, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := consumer.Shutdown(ctx); err != nil {
			slog.Warn("handlers were cut off", "error", err)
		}
	})()
	return consumer.Run(context.Background())
}

func handle(_ context.Context, frame *frameway.Frame) error {
	picture, err := frame.Image()
	if err != nil {
		return err
	}
	sum, bounds := 0, picture.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			sum += int(color.GrayModel.Convert(picture.At(x, y)).(color.Gray).Y)
		}
	}
	fmt.Printf("%s %d: mean brightness %d\n", frame.StreamId, frame.Sequence, sum/max(bounds.Dx()*bounds.Dy(), 1))
	return nil
}
