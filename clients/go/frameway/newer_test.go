package frameway_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"frameway.example/frameway"
	framewayv1 "frameway.example/gen/frameway/v1"
)

// newer is a server of a later version: a real one cannot be made to send what nobody knows.
type newer struct {
	framewayv1.UnimplementedStreamingServiceServer
	mu      sync.Mutex
	batches int
}

// unknown puts a field that nobody knows into a message.
func unknown[M proto.Message](message M) M {
	message.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 500, protowire.BytesType), "news"))
	return message
}

func (*newer) SubscribeFrames(_ *framewayv1.SubscribeFramesRequest, call grpc.ServerStreamingServer[framewayv1.SubscribeFramesResponse]) error {
	frame := &framewayv1.ProcessedFrame{StreamId: "cam", Sequence: 1, ReencodeOutcome: 77, Pictures: []*framewayv1.Picture{unknown(&framewayv1.Picture{Role: 88})}}
	gap := &framewayv1.Gap{StreamId: "cam", FromSequence: 2, ToSequence: 2, Causes: []*framewayv1.GapCause{{Reason: 99, Count: 1}}}
	return errors.Join(
		call.Send(&framewayv1.SubscribeFramesResponse{Event: &framewayv1.SubscribeFramesResponse_Checkpoint{Checkpoint: &framewayv1.Checkpoint{}}}),
		call.Send(unknown(&framewayv1.SubscribeFramesResponse{})),
		call.Send(&framewayv1.SubscribeFramesResponse{Event: &framewayv1.SubscribeFramesResponse_Frame{Frame: &framewayv1.DeliveredFrame{Frame: unknown(frame), Cursor: "1"}}}),
		call.Send(&framewayv1.SubscribeFramesResponse{Event: &framewayv1.SubscribeFramesResponse_Gap{Gap: &framewayv1.DeliveredGap{Gap: gap, Cursor: "2"}}}),
	)
}

func (*newer) ConsumeFrames(_ *framewayv1.ConsumeFramesRequest, call grpc.ServerStreamingServer[framewayv1.ConsumeFramesResponse]) error {
	frame := &framewayv1.ConsumedFrame{Frame: &framewayv1.ProcessedFrame{StreamId: "cam", Sequence: 1}, AckId: "a"}
	return errors.Join(
		call.Send(&framewayv1.ConsumeFramesResponse{Event: &framewayv1.ConsumeFramesResponse_Ready{Ready: &framewayv1.ConsumeReady{AckDeadline: seconds(30)}}}),
		call.Send(unknown(&framewayv1.ConsumeFramesResponse{})),
		call.Send(&framewayv1.ConsumeFramesResponse{Event: &framewayv1.ConsumeFramesResponse_Frame{Frame: frame}}),
	)
}

func (*newer) AcknowledgeFrames(context.Context, *framewayv1.AcknowledgeFramesRequest) (*framewayv1.AcknowledgeFramesResponse, error) {
	return &framewayv1.AcknowledgeFramesResponse{Results: []*framewayv1.AckResult{unknown(&framewayv1.AckResult{})}}, nil
}

func (*newer) GetLatestFrames(context.Context, *framewayv1.GetLatestFramesRequest) (*framewayv1.GetLatestFramesResponse, error) {
	return &framewayv1.GetLatestFramesResponse{Results: []*framewayv1.LatestFrame{unknown(&framewayv1.LatestFrame{StreamId: "cam"})}}, nil
}

func (n *newer) SubmitFrames(call grpc.BidiStreamingServer[framewayv1.SubmitFramesRequest, framewayv1.SubmitFramesResponse]) error {
	ready := &framewayv1.SubmitReady{MaxBatchFrames: 10, MaxMessageBytes: 1 << 20, MaxInFlightBatches: 1, MaxInFlightBytes: 1 << 20}
	for {
		request, err := call.Recv()
		if err != nil {
			return nil
		}
		if setup := request.GetSetup(); setup != nil {
			ready.Positions = nil
			for _, stream := range setup.ResumeStreamIds {
				ready.Positions = append(ready.Positions, &framewayv1.PublisherPosition{StreamId: stream})
			}
			_ = call.Send(&framewayv1.SubmitFramesResponse{Event: &framewayv1.SubmitFramesResponse_Ready{Ready: ready}})
			_ = call.Send(unknown(&framewayv1.SubmitFramesResponse{}))
			continue
		}
		n.mu.Lock()
		n.batches++
		result := &framewayv1.FrameResult{}
		switch n.batches {
		case 1: // An outcome that nobody knows.
			result = unknown(result)
		case 2: // A reason that nobody knows.
			result.Outcome = &framewayv1.FrameResult_Unconfirmed{Unconfirmed: &framewayv1.ItemError{Reason: 900}}
		default:
			result.Outcome = &framewayv1.FrameResult_Duplicate{Duplicate: &framewayv1.FrameDuplicate{Sequence: 7}}
		}
		n.mu.Unlock()
		_ = call.Send(&framewayv1.SubmitFramesResponse{Event: &framewayv1.SubmitFramesResponse_BatchResult{BatchResult: &framewayv1.SubmitBatchResult{
			BatchId: request.GetBatch().BatchId, Results: []*framewayv1.FrameResult{result},
		}}})
	}
}

func TestNewerServer(t *testing.T) {
	scenario(t, "newer-server", short)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server, service := grpc.NewServer(), &newer{}
	framewayv1.RegisterStreamingServiceServer(server, service)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	client := connect(t, frameway.Config{}, listener.Addr().String())

	var events []frameway.Event
	for event, err := range client.Subscribe(within(t), earliest("cam")) {
		must(t, err)
		events = append(events, event)
	}
	if len(events) != 3 {
		t.Fatalf("%v", events)
	}
	if frame := events[1].(*frameway.Frame); frame.ReencodeOutcome.String() != "77" || frame.Pictures[0].Role.String() != "88" {
		t.Errorf("%v", frame)
	}
	if gap := events[2].(*frameway.Gap); gap.Causes[0].Reason.String() != "99" {
		t.Errorf("%v", gap)
	}
	handled := 0
	consumer := frameway.Consumer{
		Client: client, Request: &framewayv1.ConsumeFramesRequest{GroupId: "g", MemberId: "m"},
		Handler: func(context.Context, *frameway.Frame) error { handled++; return nil },
	}
	must(t, consumer.Run(within(t)))
	if handled != 1 {
		t.Errorf("handled %d frames", handled)
	}
	newest, err := client.Latest(within(t), []string{"cam"}, nil)
	must(t, err)
	if newest[0].Frame != nil {
		t.Errorf("%v", newest)
	}
	agent := publisher(t, client, frameway.PublisherConfig{})
	fate, err := publish(t, agent, gray("cam", 1))[0].Wait(within(t))
	must(t, err)
	if !fate.Duplicate || fate.Sequence != 7 || service.batches != 3 {
		t.Errorf("%+v after %d batches", fate, service.batches)
	}
	must(t, agent.Close(within(t)))
}
