package frameway

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	framewayv1 "frameway.example/gen/frameway/v1"
)

const (
	maxAckIDs       = 1000
	maxReasonBytes  = 512
	extensionsATerm = 3
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
	settled  chan *held
	changed  chan struct{}

	mu      sync.Mutex
	held    map[frameKey]*held
	queue   []*held
	running int
	// acked has the last acknowledged ids, in two generations: a redelivery may be on its way when the
	// acknowledgement is answered.
	acked [2]map[string]bool
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

// Reject is an error with which a handler says how its frame is rejected.
type Reject struct {
	// Err is the reason.
	Err error
	// RetryDelay is the wait before the frame is delivered again. Nil = that of the group.
	RetryDelay *time.Duration
	// DeadLetter makes the frame a dead letter now.
	DeadLetter bool
}

func (r *Reject) Error() string { return r.Err.Error() }

// Unwrap returns the reason.
func (r *Reject) Unwrap() error { return r.Err }

func (c *Consumer) init() {
	c.once.Do(func() {
		c.stop, c.stopNow = context.WithCancel(context.Background())
		c.killed, c.kill = context.WithCancel(context.Background())
		c.ended, c.changed = make(chan struct{}), make(chan struct{}, 1)
		c.settled = make(chan *held, maxOutstanding)
		c.held, c.term = map[frameKey]*held{}, firstTerm
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
	c.handlers.Go(func() { cancel(c.settle(ctx)) })
	c.handlers.Go(func() { c.extend(ctx) })
	defer context.AfterFunc(c.killed, func() { cancel(nil) })()
	err := c.receive(ctx)
	if err != nil {
		return err
	}
	if c.stop.Err() != nil {
		c.giveBack()
	}
	for !c.isEmpty() {
		select {
		case <-c.changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Shutdown ends Run: running handlers finish, and their frames are acknowledged. Frames that no handler
// has begun go back to the group at once; the group counts that as an attempt. If ctx ends first, the
// context of the handlers ends, too, and Shutdown returns its error.
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
	defer context.AfterFunc(c.stop, leave)()
	open := func(ctx context.Context) (receiver[framewayv1.ConsumeFramesResponse], error) {
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
			if isNew := c.accept(ctx, event.Frame); isNew && request.StopAfterFrames != nil {
				if *request.StopAfterFrames--; *request.StopAfterFrames == 0 {
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
		case *framewayv1.ConsumeFramesResponse_Draining:
			delay := event.Draining.ReconnectDelay.AsDuration()
			return proofOfNothing, c.Client.unavailable(&delay, "the server is draining")
		}
		return proofOfLife, nil
	}, func(error) error { return nil })
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
	if c.acked[0][frame.AckId] || c.acked[1][frame.AckId] {
		return false
	}
	if same := c.held[key]; same != nil {
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
	for len(c.queue) > 0 && c.running < max(c.Parallelism, 1) && ctx.Err() == nil {
		next := c.queue[0]
		c.queue = slices.Delete(c.queue, 0, 1)
		c.running++
		c.handlers.Go(func() {
			next.rejection = c.handle(ctx, next.frame)
			next.frame = nil
			c.settled <- next
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

func rejectionOf(err error) *framewayv1.Rejection {
	reason := err.Error()
	rejection := &framewayv1.Rejection{Reason: strings.ToValidUTF8(reason[:min(len(reason), maxReasonBytes)], "")}
	var how *Reject
	if errors.As(err, &how) {
		rejection.DeadLetter = how.DeadLetter
		if how.RetryDelay != nil && !how.DeadLetter {
			rejection.RetryDelay = durationpb.New(*how.RetryDelay)
		}
	}
	return rejection
}

// giveBack rejects the frames that no handler has begun.
func (c *Consumer) giveBack() {
	c.mu.Lock()
	queue := c.queue
	c.queue = nil
	c.mu.Unlock()
	for _, waiting := range queue {
		waiting.rejection = &framewayv1.Rejection{Reason: "the consumer ended before it handled the frame", RetryDelay: durationpb.New(0)}
		c.settled <- waiting
	}
}

func (c *Consumer) isEmpty() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held) == 0
}

// settle acknowledges and rejects frames, as many as there are in one call. It returns an error that
// another call would have, too.
func (c *Consumer) settle(ctx context.Context) error {
	var series pauses
	var batch []*held
	for {
		if len(batch) == 0 {
			select {
			case first := <-c.settled:
				batch = append(batch, first)
			case <-ctx.Done():
				return nil
			}
		}
		for len(batch) < maxAckIDs && len(c.settled) > 0 {
			batch = append(batch, <-c.settled)
		}
		left, err := c.send(ctx, batch)
		var cause *Error
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &cause) && cause.Retryable():
			c.Client.config.Logger.Warn("frameway: no answer to acknowledgements; trying again", "error", err)
			_ = sleep(ctx, series.next(cause.RetryDelay))
		case err != nil:
			return err
		default:
			series.attempt = 0
		}
		batch = left
		select {
		case c.changed <- struct{}{}:
		default:
		}
	}
}

// send sends acknowledgements and rejections. It returns those that have to be sent again.
func (c *Consumer) send(ctx context.Context, batch []*held) (left []*held, err error) {
	group := c.Request.GroupId
	acks := &framewayv1.AcknowledgeFramesRequest{GroupId: group}
	rejections := &framewayv1.RejectFramesRequest{GroupId: group}
	var acked, rejected []*held
	c.mu.Lock()
	for _, one := range batch {
		if one.rejection == nil {
			acks.AckIds, acked = append(acks.AckIds, one.ackID), append(acked, one)
		} else {
			one.rejection.AckId = one.ackID
			rejections.Rejections, rejected = append(rejections.Rejections, one.rejection), append(rejected, one)
		}
	}
	c.mu.Unlock()
	if len(acked) > 0 {
		answer, err := c.Client.Streaming.AcknowledgeFrames(ctx, acks)
		if err != nil {
			return batch, err
		}
		left = c.record(acked, acks.AckIds, answer.Results)
	}
	if len(rejected) > 0 {
		answer, err := c.Client.Streaming.RejectFrames(ctx, rejections)
		if err != nil {
			return append(left, rejected...), err
		}
		ids := make([]string, len(rejected))
		for i, rejection := range rejections.Rejections {
			ids[i] = rejection.AckId
		}
		left = append(left, c.record(rejected, ids, answer.Results)...)
	}
	return left, nil
}

// record lets frames go. It returns those that were delivered again meanwhile, under another ack id.
func (c *Consumer) record(batch []*held, ids []string, results []*framewayv1.AckResult) (left []*held) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, one := range batch {
		var result *framewayv1.AckResult
		if i < len(results) {
			result = results[i]
		}
		done := result.GetDone() != nil
		if !done && one.ackID != ids[i] {
			left = append(left, one)
			continue
		}
		delete(c.held, one.key)
		if !done {
			c.Client.config.Logger.Warn("frameway: an acknowledgement is refused: the frame was delivered again, or given up",
				"stream", one.key.stream, "sequence", one.key.sequence, "reason", result.GetRefused())
		} else if one.rejection == nil {
			if c.acked[0] == nil || len(c.acked[0]) >= maxOutstanding {
				c.acked[0], c.acked[1] = map[string]bool{}, c.acked[0]
			}
			c.acked[0][ids[i]] = true
		}
	}
	return left
}

// extend gives the held frames more time, a few times in each term.
func (c *Consumer) extend(ctx context.Context) {
	for {
		c.mu.Lock()
		interval := c.term / extensionsATerm
		c.mu.Unlock()
		if sleep(ctx, interval) != nil {
			return
		}
		c.mu.Lock()
		var ids []string
		for _, one := range c.held {
			ids = append(ids, one.ackID)
		}
		c.mu.Unlock()
		for chunk := range slices.Chunk(ids, maxAckIDs) {
			call, cancel := context.WithTimeout(ctx, max(interval, firstTerm))
			_, err := c.Client.Streaming.ExtendAckDeadline(call, &framewayv1.ExtendAckDeadlineRequest{GroupId: c.Request.GroupId, AckIds: chunk})
			cancel()
			if err != nil && ctx.Err() == nil {
				c.Client.config.Logger.Warn("frameway: the deadlines are not extended", "error", err)
			}
		}
	}
}
