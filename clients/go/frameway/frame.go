package frameway

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"slices"
	"time"

	"golang.org/x/image/webp"
	"google.golang.org/protobuf/proto"

	framewayv1 "frameway.example/gen/frameway/v1"
)

// Frame is a processed frame, as it was delivered.
type Frame struct {
	*framewayv1.ProcessedFrame
	// Cursor is the stream's position after the frame. Only from a subscription.
	Cursor string
	// Selector is the index of the selector that the stream belongs to. Only from a subscription.
	Selector int
	// DeliveryAttempt is the group's attempt for the frame, counted from 1. Only in a consumer.
	DeliveryAttempt int
}

// Picture returns the picture of a role, or nil if the frame has none. Its GetData is empty if the
// server left the bytes out; its GetOmittedReason then says why.
func (f *Frame) Picture(role framewayv1.PictureRole) *framewayv1.Picture {
	for _, picture := range f.GetPictures() {
		if picture.Role == role {
			return picture
		}
	}
	return nil
}

// Image decodes the first picture that has data: JPEG, PNG or WebP.
func (f *Frame) Image() (image.Image, error) {
	for _, picture := range f.GetPictures() {
		if len(picture.GetData()) > 0 {
			return DecodeImage(picture)
		}
	}
	return nil, fmt.Errorf("frameway: frame %d of %s came without a picture", f.GetSequence(), f.GetStreamId())
}

var decoders = map[framewayv1.PictureFormat]func(io.Reader) (image.Image, error){
	framewayv1.PictureFormat_PICTURE_FORMAT_JPEG: jpeg.Decode,
	framewayv1.PictureFormat_PICTURE_FORMAT_PNG:  png.Decode,
	framewayv1.PictureFormat_PICTURE_FORMAT_WEBP: webp.Decode,
}

// DecodeImage turns a picture into an image: JPEG, PNG or WebP. The raw formats, which only an original
// can have, are an error.
func DecodeImage(picture *framewayv1.Picture) (image.Image, error) {
	decode := decoders[picture.Format]
	if decode == nil {
		return nil, fmt.Errorf("frameway: %v is not decoded: use Picture.GetData", picture.Format)
	}
	decoded, err := decode(bytes.NewReader(picture.GetData()))
	if err != nil {
		return nil, fmt.Errorf("frameway: not a valid picture of %v: %w", picture.Format, err)
	}
	return decoded, nil
}

// withLimit returns a selection whose pictures fit in the messages that this client receives.
func (c *Client) withLimit(selection *framewayv1.PictureSelection) *framewayv1.PictureSelection {
	if selection == nil {
		selection = &framewayv1.PictureSelection{}
	}
	if selection.MaxPictureBytes == nil {
		limit := min(max(c.config.MaxMessageBytes-messageMarginBytes, c.config.MaxMessageBytes/2), maxPictureBytes)
		selection.MaxPictureBytes = proto.Uint32(uint32(limit))
	}
	return selection
}

// Newest is the newest frame of a stream.
type Newest struct {
	// StreamID is the stream, as requested.
	StreamID string
	// Frame is the frame; nil = there is none.
	Frame *Frame
	// Missing says why there is none. It may be a value that this package does not know.
	Missing framewayv1.MissingReason
	// Age is the server's clock minus the frame's receive time.
	Age time.Duration
}

// Latest reads the newest frame of each stream, in the order of the ids. Nil pictures select the
// processed one. Where not all pictures fit in one message, the rest is read by further calls.
func (c *Client) Latest(ctx context.Context, streamIDs []string, pictures *framewayv1.PictureSelection) ([]Newest, error) {
	const maxItems = 100
	newest := make([]Newest, 0, len(streamIDs))
	for ids := range slices.Chunk(streamIDs, maxItems) {
		for len(ids) > 0 {
			answer, err := c.Streaming.GetLatestFrames(ctx, &framewayv1.GetLatestFramesRequest{
				StreamIds: ids, Pictures: c.withLimit(proto.CloneOf(pictures)),
			})
			if err != nil {
				return nil, err
			}
			for i, result := range answer.Results {
				one := Newest{StreamID: result.StreamId, Missing: result.GetMissing().GetReason(), Age: result.Age.AsDuration()}
				if frame := result.GetFrame(); frame != nil {
					if i > 0 && slices.ContainsFunc(frame.Pictures, isLeftOut) {
						break
					}
					one.Frame = &Frame{ProcessedFrame: frame}
				}
				newest, ids = append(newest, one), ids[1:]
			}
			if len(answer.Results) == 0 {
				break
			}
		}
	}
	return newest, nil
}

func isLeftOut(picture *framewayv1.Picture) bool {
	return picture.GetOmittedReason() == framewayv1.OmittedReason_OMITTED_REASON_MESSAGE_FULL
}
