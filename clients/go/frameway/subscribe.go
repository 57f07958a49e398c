package frameway

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"path"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	framewayv1 "frameway.example/gen/frameway/v1"
)

// Event is what a subscription yields: [*Frame], [*Gap], [Started], [Lag] or [Reconnecting]. New types
// may be added.
type Event interface{ event() }

// Gap says which frames of a stream are not sent, and why. A reason may be a value that this package
// does not know; it is a gap all the same.
type Gap struct {
	*framewayv1.Gap
	// Cursor is the stream's position after the gap.
	Cursor string
	// Selector is the index of the selector that the stream belongs to.
	Selector int
}

// Started says that every start position is fixed: a frame that is published from now on is
// delivered, or reported in a gap. It is sent once.
type Started struct {
	// Streams is the number of streams that are selected now.
	Streams int
}

// Lag is a sign of life.
type Lag struct {
	// Frames is the number of frames that are published and not sent yet.
	Frames uint64
}

// Reconnecting says that the connection broke. The next event comes over another one.
type Reconnecting struct {
	// Err is the reason.
	Err error
}

func (*Frame) event()       {}
func (*Gap) event()         {}
func (Started) event()      {}
func (Lag) event()          {}
func (Reconnecting) event() {}

// Select returns a selector of streams, each an id or a pattern (*, ?, [ab]).
func Select(streams ...string) *framewayv1.StreamSelector {
	selector := &framewayv1.StreamSelector{}
	for _, stream := range streams {
		match := &framewayv1.StreamMatch{Selector: &framewayv1.StreamMatch_Id{Id: stream}}
		if isPattern(stream) {
			match.Selector = &framewayv1.StreamMatch_Glob{Glob: stream}
		}
		selector.Streams = append(selector.Streams, match)
	}
	return selector
}

func isPattern(stream string) bool {
	return slices.ContainsFunc([]rune(stream), func(r rune) bool { return r == '*' || r == '?' || r == '[' })
}

// Earliest is a start position: the oldest frame that is kept.
func Earliest() *framewayv1.StartPosition {
	return &framewayv1.StartPosition{Position: &framewayv1.StartPosition_Earliest{Earliest: &framewayv1.StartEarliest{}}}
}

// Subscribe follows streams. It yields the frames of a stream in order, each once, and what is missing
// as gaps. When the connection breaks, it resumes after the last frame.
//
// The last event is an error, unless the server has sent everything that the request asks for or the
// program leaves the loop. An iterator needs no channel, so nothing is read ahead of the program, and
// leaving the loop ends the call. Ranging again begins again.
//
// The request is sent as it is, with a heartbeat every 5 s and all pictures up to 32 MiB if it does
// not say otherwise. stop_after_frames counts over all connections; the stop.frame_count of a selector
// and stop_at_head begin again with each.
func (c *Client) Subscribe(ctx context.Context, request *framewayv1.SubscribeFramesRequest) iter.Seq2[Event, error] {
	return c.SubscribeFrom(ctx, nil, request)
}

// SubscribeFrom follows streams as [Client.Subscribe] does, and begins after the cursors in a store. A
// frame counts as handled when the loop asks for the next event. The cursors of what is handled are
// stored at most once a second, and at the end. A program that ends without that receives the frames
// of this time again.
//
// A selector without any stored cursor begins at its own start. In a selector with some, a stream
// without one begins at its oldest kept frame. An error of the store ends the loop, and so do stored
// cursors of which none is selected.
func (c *Client) SubscribeFrom(ctx context.Context, store CursorStore, request *framewayv1.SubscribeFramesRequest) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		ctx, cancel := c.bind(ctx)
		defer cancel()
		s := subscription{
			request: proto.CloneOf(request),
			store:   store,
			yield:   yield,
			cursors: map[string]string{},
		}
		if s.request.HeartbeatInterval == nil {
			s.request.HeartbeatInterval = durationpb.New(defaultHeartbeat)
		}
		for _, selector := range s.request.Selectors {
			selector.Pictures = c.withLimit(selector.Pictures)
		}
		err := s.load(ctx)
		if err == nil {
			open := func(ctx context.Context) (receiver[framewayv1.SubscribeFramesResponse], error) {
				return c.Streaming.SubscribeFrames(ctx, s.resumed())
			}
			handle := func(message *framewayv1.SubscribeFramesResponse) (mark, error) { return s.handle(ctx, c, message) }
			broken := func(err error) error { return s.emit(Reconnecting{err}) }
			err = follow(ctx, c, s.request.HeartbeatInterval, open, handle, broken)
			if failed := s.save(context.WithoutCancel(ctx), 0); err == nil {
				err = failed
			}
		}
		switch {
		case err != nil && s.left:
			c.config.Logger.Error("frameway: the cursors are not stored", "error", err)
		case err != nil:
			yield(nil, err)
		}
	}
}

// subscription is the progress of a subscription over its connections.
type subscription struct {
	request *framewayv1.SubscribeFramesRequest
	store   CursorStore
	yield   func(Event, error) bool
	cursors map[string]string
	started bool
	unsaved bool
	saved   time.Time
	// left is set when the program has left the loop.
	left bool
}

func (s *subscription) handle(ctx context.Context, c *Client, message *framewayv1.SubscribeFramesResponse) (mark, error) {
	switch event := message.Event.(type) {
	case *framewayv1.SubscribeFramesResponse_Frame:
		frame := event.Frame
		err := s.deliver(ctx, frame.Frame.GetStreamId(), frame.Cursor,
			&Frame{ProcessedFrame: frame.Frame, Cursor: frame.Cursor, Selector: int(frame.SelectorIndex)})
		if left := s.request.StopAfterFrames; left != nil && err == nil {
			if *left--; *left == 0 {
				err = errDone
			}
		}
		return progress, err
	case *framewayv1.SubscribeFramesResponse_Gap:
		gap := event.Gap
		return progress, s.deliver(ctx, gap.Gap.GetStreamId(), gap.Cursor,
			&Gap{Gap: gap.Gap, Cursor: gap.Cursor, Selector: int(gap.SelectorIndex)})
	case *framewayv1.SubscribeFramesResponse_Heartbeat:
		if err := s.save(ctx, saveInterval); err != nil {
			return proofOfLife, err
		}
		return proofOfLife, s.emit(Lag{lagOf(event.Heartbeat.Streams)})
	case *framewayv1.SubscribeFramesResponse_Checkpoint:
		s.advance(event.Checkpoint.Cursors...)
		if s.started {
			return proofOfNothing, nil
		}
		s.started = true
		if err := s.save(ctx, 0); err != nil {
			return proofOfNothing, err
		}
		return proofOfNothing, s.emit(Started{len(event.Checkpoint.Cursors)})
	case *framewayv1.SubscribeFramesResponse_Draining:
		s.advance(event.Draining.Cursors...)
		delay := event.Draining.ReconnectDelay.AsDuration()
		return proofOfNothing, c.unavailable(&delay, "the server is draining")
	}
	// An event of a newer server.
	return proofOfLife, nil
}

// deliver yields a frame or a gap, which is handled when the program asks for the next event.
func (s *subscription) deliver(ctx context.Context, stream, cursor string, event Event) error {
	if err := s.emit(event); err != nil {
		return err
	}
	s.advance(&framewayv1.StreamCursor{StreamId: stream, Cursor: cursor})
	return s.save(ctx, saveInterval)
}

func (s *subscription) emit(event Event) error {
	if !s.yield(event, nil) {
		s.left = true
		return errDone
	}
	return nil
}

func (s *subscription) advance(cursors ...*framewayv1.StreamCursor) {
	for _, cursor := range cursors {
		if cursor.Cursor != "" && s.cursors[cursor.StreamId] != cursor.Cursor {
			s.cursors[cursor.StreamId], s.unsaved = cursor.Cursor, true
		}
	}
}

// resumed returns the request with its selectors moved to the cursors. A selector without a cursor
// keeps its own start.
func (s *subscription) resumed() *framewayv1.SubscribeFramesRequest {
	request := proto.CloneOf(s.request)
	for _, selector := range request.Selectors {
		if cursors := s.cursorsOf(selector); len(cursors) > 0 {
			list := &framewayv1.CursorList{Cursors: cursors}
			selector.Start = &framewayv1.StartPosition{Position: &framewayv1.StartPosition_Cursors{Cursors: list}}
		}
	}
	return request
}

// cursorsOf returns the cursors of the streams that a selector may select.
func (s *subscription) cursorsOf(selector *framewayv1.StreamSelector) (cursors []*framewayv1.StreamCursor) {
	for _, id := range slices.Sorted(maps.Keys(s.cursors)) {
		if slices.ContainsFunc(selector.Streams, func(match *framewayv1.StreamMatch) bool {
			switch by := match.Selector.(type) {
			case *framewayv1.StreamMatch_Id:
				return by.Id == id
			case *framewayv1.StreamMatch_Glob:
				fits, err := path.Match(by.Glob, id)
				return fits || err != nil
			}
			return true
		}) {
			cursors = append(cursors, &framewayv1.StreamCursor{StreamId: id, Cursor: s.cursors[id]})
		}
	}
	return cursors
}

func (s *subscription) load(ctx context.Context) error {
	if s.store == nil {
		return nil
	}
	cursors, err := s.store.Load(ctx)
	if err != nil {
		return &StoreError{Store: s.store, Err: err}
	}
	maps.Copy(s.cursors, cursors)
	fits := func(selector *framewayv1.StreamSelector) bool { return len(s.cursorsOf(selector)) > 0 }
	if len(s.cursors) > 0 && !slices.ContainsFunc(s.request.Selectors, fits) {
		err := fmt.Errorf("it has cursors of %v, which are not selected: use a store of its own for each subscription",
			slices.Sorted(maps.Keys(s.cursors)))
		return &StoreError{Store: s.store, Err: err}
	}
	return nil
}

// save stores the cursors if some are new and the last time is at least this long ago.
func (s *subscription) save(ctx context.Context, interval time.Duration) error {
	if s.store == nil || !s.unsaved || time.Since(s.saved) < interval {
		return nil
	}
	if err := s.store.Save(ctx, s.cursors); err != nil {
		s.unsaved = false // The store is not tried again at the end.
		return &StoreError{Store: s.store, Err: err}
	}
	s.unsaved, s.saved = false, time.Now()
	return nil
}

func lagOf(streams []*framewayv1.StreamLag) (frames uint64) {
	for _, stream := range streams {
		frames += stream.LagFrames
	}
	return frames
}
