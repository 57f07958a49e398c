package frameway_test

import (
	"bytes"
	"image"
	"runtime"
	"testing"

	"google.golang.org/protobuf/proto"

	"frameway.example/frameway"
	framewayv1 "frameway.example/gen/frameway/v1"
)

func relayed(id string) *framewayv1.Stream {
	return &framewayv1.Stream{StreamId: id, Output: &framewayv1.OutputPolicy{ReencodeMode: framewayv1.ReencodeMode_REENCODE_MODE_RELAY}}
}

// padded returns a JPEG with bytes after its end, which a relayed stream passes on.
func padded(t *testing.T, size int) []byte {
	t.Helper()
	picture := photo(t, 64, 48)
	for i := 0; len(picture) < size; i++ {
		picture = append(picture, byte(i*i>>3))
	}
	return picture
}

func TestGap(t *testing.T) {
	scenario(t, "gap", short)
	client := connect(t, frameway.Config{}, serve(t).address)
	register(t, client, &framewayv1.Stream{StreamId: "cam", Retention: &framewayv1.RetentionPolicy{MaxFrames: proto.Uint64(5)}})
	agent := publisher(t, client, frameway.PublisherConfig{})
	publish(t, agent, grays("cam", 1, 20)...)
	must(t, agent.Close(within(t)))
	eventually(t, "old frames expire", func() bool {
		answer, err := client.Registry.GetStream(within(t), &framewayv1.GetStreamRequest{StreamId: "cam"})
		must(t, err)
		return answer.Stream.Status.PublishedSequence == 20 && answer.Stream.Status.OldestSequence > 1
	})
	request := earliest("cam")
	request.Selectors[0].Start = &framewayv1.StartPosition{Position: &framewayv1.StartPosition_Sequence{Sequence: 1}}
	follower := follow(t, client, request)
	eventually(t, "the gap and the frames arrive", func() bool {
		numbers := follower.numbers("cam")
		return len(numbers) > 0 && numbers[len(numbers)-1] == "20"
	})
	events := follower.all()
	gap, ok := events[1].(*frameway.Gap)
	if !ok || gap.StreamId != "cam" || gap.FromSequence != 1 || gap.ToSequence != uint64(20-len(follower.numbers("cam"))) ||
		gap.Causes[0].Reason != framewayv1.GapReason_GAP_REASON_RETENTION {
		t.Errorf("%v", events[1])
	}
}

func TestLargePicture(t *testing.T) {
	scenario(t, "large-picture", short)
	client := connect(t, frameway.Config{}, serve(t).address)
	register(t, client, relayed("cam"))
	follower := follow(t, client, earliest("cam"))
	picture := padded(t, 6<<20)
	agent := publisher(t, client, frameway.PublisherConfig{})
	publish(t, agent, &framewayv1.Frame{StreamId: "cam", Data: picture, Attributes: map[string]string{"number": "1"}})
	must(t, agent.Close(within(t)))
	follower.await("cam", 1, 1)
	for _, event := range follower.all() {
		if frame, ok := event.(*frameway.Frame); ok && !bytes.Equal(frame.Pictures[0].GetData(), picture) {
			t.Error("the picture has changed")
		}
	}
}

func TestLatest(t *testing.T) {
	scenario(t, "latest", short)
	client := connect(t, frameway.Config{}, serve(t).address)
	register(t, client, relayed("north"), relayed("south"), relayed("idle"))
	agent := publisher(t, client, frameway.PublisherConfig{})
	// Both pictures together are too large for one message.
	for _, stream := range []string{"north", "south"} {
		publish(t, agent, gray(stream, 1), &framewayv1.Frame{StreamId: stream, Data: padded(t, 15<<20)})
	}
	must(t, agent.Close(within(t)))
	pictures := &framewayv1.PictureSelection{MaxPictureBytes: proto.Uint32(16 << 20)}
	streams := []string{"north", "idle", "south", "nobody"}
	eventually(t, "both are processed", func() bool {
		newest, err := client.Latest(within(t), streams, pictures)
		must(t, err)
		return len(newest) == 4 && newest[0].Frame.GetSequence() == 2 && newest[2].Frame.GetSequence() == 2
	})
	newest, err := client.Latest(within(t), streams, pictures)
	must(t, err)
	for i, one := range newest {
		switch {
		case one.StreamID != streams[i]:
			t.Errorf("%d is %s", i, one.StreamID)
		case i%2 == 0 && len(one.Frame.Pictures[0].GetData()) < 15<<20:
			t.Errorf("%s has no picture", one.StreamID)
		case i%2 == 1 && one.Frame != nil:
			t.Errorf("%s has a frame", one.StreamID)
		}
	}
	if newest[1].Missing != framewayv1.MissingReason_MISSING_REASON_NOT_ACCEPTED ||
		newest[3].Missing != framewayv1.MissingReason_MISSING_REASON_STREAM_NOT_FOUND {
		t.Errorf("%v, %v", newest[1].Missing, newest[3].Missing)
	}
}

func TestPicture(t *testing.T) {
	scenario(t, "picture", short)
	client := connect(t, frameway.Config{}, serve(t).address)
	register(t, client, cameras("cam")...)
	follower := follow(t, client, earliest("cam"))
	agent := publisher(t, client, frameway.PublisherConfig{})
	publish(t, agent, &framewayv1.Frame{StreamId: "cam", Data: photo(t, 160, 120), Attributes: map[string]string{"number": "1"}})
	must(t, agent.Close(within(t)))
	follower.await("cam", 1, 1)
	for _, event := range follower.all() {
		if frame, ok := event.(*frameway.Frame); ok {
			decoded, err := frame.Image()
			must(t, err)
			if decoded.Bounds() != image.Rect(0, 0, int(frame.Source.Width), int(frame.Source.Height)) || decoded.Bounds().Dx() != 160 {
				t.Errorf("the image has %v", decoded.Bounds())
			}
		}
	}
}

func TestDecodeImage(t *testing.T) {
	t.Parallel()
	for _, format := range []framewayv1.PictureFormat{
		framewayv1.PictureFormat_PICTURE_FORMAT_JPEG, framewayv1.PictureFormat_PICTURE_FORMAT_PNG,
		framewayv1.PictureFormat_PICTURE_FORMAT_WEBP, framewayv1.PictureFormat_PICTURE_FORMAT_GRAY8,
		framewayv1.PictureFormat_PICTURE_FORMAT_NV12, 99,
	} {
		bad := &framewayv1.Picture{Format: format, Width: 9, Height: 9, Content: &framewayv1.Picture_Data{Data: []byte("no picture")}}
		if _, err := frameway.DecodeImage(bad); err == nil {
			t.Errorf("%v: no error", format)
		} else {
			oneLine(t, err, "frameway: ")
		}
	}
}

func TestSlowConsumer(t *testing.T) {
	scenario(t, "slow-consumer", alone)
	client := connect(t, frameway.Config{}, serve(t).address)
	register(t, client, relayed("cam"))
	request := &framewayv1.SubscribeFramesRequest{Selectors: []*framewayv1.StreamSelector{frameway.Select("cam")}}
	agent := publisher(t, client, frameway.PublisherConfig{MaxBytes: 4 << 20})
	const frames, size = 100, 1 << 20
	picture := padded(t, size)
	var seen, peak uint64
	for event, err := range client.Subscribe(within(t), request) {
		must(t, err)
		switch event := event.(type) {
		case frameway.Started:
			// The subscriber reads nothing while all frames are published.
			for value := 1; value <= frames; value++ {
				publish(t, agent, &framewayv1.Frame{StreamId: "cam", Data: picture})
				var memory runtime.MemStats
				if value%10 == 0 {
					runtime.GC()
					runtime.ReadMemStats(&memory)
					peak = max(peak, memory.HeapAlloc)
				}
			}
			must(t, agent.Close(within(t)))
		case *frameway.Frame:
			seen++
		case *frameway.Gap:
			if reason := event.Causes[0].Reason; reason != framewayv1.GapReason_GAP_REASON_SLOW_CONSUMER {
				t.Errorf("the reason of a gap is %v", reason)
			}
			seen += event.ToSequence - event.FromSequence + 1
		}
		if seen == frames {
			break
		}
	}
	if peak > 40<<20 {
		t.Errorf("%d MiB are in use", peak>>20)
	}
	t.Logf("peak %d MiB for %d MiB of pictures", peak>>20, frames*size>>20)
}
