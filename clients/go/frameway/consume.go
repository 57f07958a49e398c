package frameway

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	framewayv1 "frameway.example/gen/frameway/v1"
)

const (
	// The term until the server has reported the group's ack deadline.
	firstTerm = time.Second
	// The maximum unacknowledged frames of a member.
	maxOutstanding = 10_000
)

// Consumer is a member of a consumer group. It calls a handler for each frame of its share, and joins
// again when its connection breaks. A frame is delivered at least once.
//
// Set the fields, and call Run once.
type Consumer struct {
	// Client is the client. Required.
	Client *Client
	// Request names the group and the member. Required: group_id and member_id. Its
	// max_outstanding_bytes bounds the pictures that wait for a handler; unset = 64 MiB.
	Request *framewayv1.ConsumeFramesRequest
	// Handler handles a frame. Required. The frame is acknowledged when the handler returns nil, and
	// rejected with the reason when it returns an error ([Reject] says how) or panics. The deadline of
	// every frame that is here is extended until then. The context is that of Run: it ends when the
	// context of Run does, and not at a Shutdown.
	Handler func(context.Context, *Frame) error
	// Parallelism is the maximum number of handlers at a time. 0 = one, which keeps the order of each
	// stream.
	Parallelism int
	// OnGap is called for frames that the group does not get. Nil = the log has a line.
	OnGap func(*framewayv1.Gap)

	once     sync.Once
	stop     context.Context
	stopNow  context.CancelFunc
	killed   context.Context
	kill     context.CancelFunc
	ended    chan struct{}
	handlers sync.WaitGroup
	// acks and rejections have the frames that are handled.
	acks, rejections chan *held
	// empty has a value after the last frame was let go.
	empty chan struct{}

	mu      sync.Mutex
	held    map[frameKey]*held
	queue   []*held
	running int
	// acked has the last acknowledged ids: a redelivery may be on its way when the acknowledgement is
	// answered.
	acked map[string]bool
	term  time.Duration
}

// frameKey identifies a frame. A redelivery after a passed deadline has another ack id.
type frameKey struct {
	stream   string
	sequence uint64
}

// held is a delivery that is neither acknowledged nor rejected yet.
type held struct {
	key   frameKey
	ackID string
	frame *Frame
	// rejection is nil for an acknowledgement.
	rejection *framewayv1.Rejection
}

func (c *Consumer) init() {
	c.once.Do(func() {
		c.stop, c.stopNow = context.WithCancel(context.Background())
		c.killed, c.kill = context.WithCancel(context.Background())
		c.ended, c.empty = make(chan struct{}), make(chan struct{}, 1)
		c.acks, c.rejections = make(chan *held, maxOutstanding), make(chan *held, maxOutstanding)
		c.held, c.acked, c.term = map[frameKey]*held{}, map[string]bool{}, firstTerm
	})
}

// Run joins the group and handles frames until ctx ends, the client is closed, Shutdown is called, or
// the server has sent stop_after_frames of them. It returns nil after the last two. When it returns,
// no handler runs any more.
//
// When ctx ends, the handlers' context ends, too, and frames without an acknowledgement are delivered
// again after their deadline. Shutdown is the gentle way.
func (c *Consumer) Run(ctx context.Context) error {
	c.init()
	defer close(c.ended)
	ctx, unbind := c.Client.bind(ctx)
	defer unbind()
	ctx, cancel := context.WithCancelCause(ctx)
	defer c.handlers.Wait()
	defer cancel(nil)
	c.handlers.Go(func() { cancel(c.settle(ctx, c.acks, c.acknowledge)) })
	c.handlers.Go(func() { cancel(c.settle(ctx, c.rejections, c.reject)) })
	c.handlers.Go(func() { c.extend(ctx) })
	defer context.AfterFunc(c.killed, func() { cancel(nil) })()
	if err := c.receive(ctx); err != nil {
		return err
	}
	stopped := c.stop.Done()
	for c.count() > 0 {
		select {
		case <-stopped:
			stopped = nil
			c.giveBack(ctx)
		case <-c.empty:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Shutdown ends Run: running handlers finish, and their frames are acknowledged. Frames that no handler
// has begun go back to the group; the group counts that as an attempt. The consumer leaves with the next
// heartbeat, which tells whether frames are still on their way. If ctx ends first, the context of the
// handlers ends, too, and Shutdown returns its error.
func (c *Consumer) Shutdown(ctx context.Context) error {
	c.init()
	c.stopNow()
	select {
	case <-c.ended:
		return nil
	case <-ctx.Done():
		c.kill()
		return ctx.Err()
	}
}

// receive follows the member's frames. It returns nil after a Shutdown, and after the last frame.
func (c *Consumer) receive(ctx context.Context) error {
	request := proto.CloneOf(c.Request)
	if request.HeartbeatInterval == nil {
		request.HeartbeatInterval = durationpb.New(defaultHeartbeat)
	}
	request.Pictures = c.Client.withLimit(request.Pictures)
	member, leave := context.WithCancel(ctx)
	defer leave()
	// After a Shutdown, the next heartbeat ends the call.
	defer context.AfterFunc(c.stop, func() {
		_ = sleep(member, request.HeartbeatInterval.AsDuration()+time.Second)
		leave()
	})()
	left := request.GetStopAfterFrames()
	open := func(ctx context.Context) (receiver[framewayv1.ConsumeFramesResponse], error) {
		if request.StopAfterFrames != nil {
			// The server sends again what is here, and counts it.
			request.StopAfterFrames = proto.Uint64(left + uint64(c.count()))
		}
		return c.Client.Streaming.ConsumeFrames(ctx, request)
	}
	err := follow(member, c.Client, request.HeartbeatInterval, open, func(message *framewayv1.ConsumeFramesResponse) (mark, error) {
		switch event := message.Event.(type) {
		case *framewayv1.ConsumeFramesResponse_Ready:
			c.mu.Lock()
			c.term = event.Ready.AckDeadline.AsDuration()
			c.mu.Unlock()
			return proofOfNothing, nil
		case *framewayv1.ConsumeFramesResponse_Frame:
			if isNew := c.accept(ctx, event.Frame); isNew {
				if left--; left == 0 {
					return progress, errDone
				}
			}
			return progress, nil
		case *framewayv1.ConsumeFramesResponse_Gap:
			if c.OnGap != nil {
				c.OnGap(event.Gap)
			} else {
				c.Client.config.Logger.Warn("frameway: the group does not get some frames", "gap", event.Gap)
			}
			return progress, nil
		case *framewayv1.ConsumeFramesResponse_Heartbeat:
			if c.stop.Err() != nil && event.Heartbeat.OutstandingFrames <= uint64(c.count()) {
				return proofOfLife, errDone
			}
		case *framewayv1.ConsumeFramesResponse_Draining:
			delay := event.Draining.ReconnectDelay.AsDuration()
			return proofOfNothing, c.Client.unavailable(&delay, "the server is draining")
		}
		return proofOfLife, nil
	}, func(error) error {
		if c.stop.Err() != nil {
			return errDone
		}
		return nil
	})
	if c.stop.Err() != nil && ctx.Err() == nil {
		return nil
	}
	return err
}

// accept queues a delivery for a handler. It returns false for one that is here already: after a
// reconnect, the server sends again what is not acknowledged.
func (c *Consumer) accept(ctx context.Context, frame *framewayv1.ConsumedFrame) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := frameKey{frame.Frame.GetStreamId(), frame.Frame.GetSequence()}
	if c.acked[frame.AckId] {
		return false
	}
	// Another ack id is another attempt: of a frame that is rejected, or whose deadline has passed
	// while it is handled. The handler's result then counts for the new attempt.
	if same := c.held[key]; same != nil && (same.ackID == frame.AckId || same.rejection == nil) {
		same.ackID = frame.AckId
		return false
	}
	delivered := &Frame{ProcessedFrame: frame.Frame, DeliveryAttempt: int(frame.DeliveryAttempt)}
	c.held[key] = &held{key: key, ackID: frame.AckId, frame: delivered}
	c.queue = append(c.queue, c.held[key])
	c.dispatch(ctx)
	return true
}

// dispatch starts handlers. The caller holds the lock.
func (c *Consumer) dispatch(ctx context.Context) {
	for len(c.queue) > 0 && c.running < max(c.Parallelism, 1) && ctx.Err() == nil && c.stop.Err() == nil {
		next := c.queue[0]
		c.queue = slices.Delete(c.queue, 0, 1)
		c.running++
		c.handlers.Go(func() {
			settled, rejection := c.acks, c.handle(ctx, next.frame)
			if rejection != nil {
				settled = c.rejections
			}
			c.mu.Lock()
			next.frame, next.rejection = nil, rejection
			c.mu.Unlock()
			if ctx.Err() == nil {
				settled <- next
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.running--
			c.dispatch(ctx)
		})
	}
}

// handle calls the handler. It returns nil if the frame is to be acknowledged.
func (c *Consumer) handle(ctx context.Context, frame *Frame) (rejection *framewayv1.Rejection) {
	defer func() {
		if panicked := recover(); panicked != nil {
			rejection = rejectionOf(fmt.Errorf("panic: %v", panicked))
			c.Client.config.Logger.Error("frameway: a handler panicked", "panic", panicked, "stack", string(debug.Stack()))
		}
	}()
	if err := c.Handler(ctx, frame); err != nil {
		return rejectionOf(err)
	}
	return nil
}

// count returns the number of frames that are here.
func (c *Consumer) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held)
}
