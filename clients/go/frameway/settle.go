package frameway

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	framewayv1 "frameway.example/gen/frameway/v1"
)

const (
	maxAckIDs       = 1000
	maxReasonBytes  = 512
	extensionsATerm = 3
)

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

// giveBack rejects the frames that no handler has begun. A server that does not know yet that the
// member's call has ended would deliver them to the member again. So it first answers a call that
// follows the end on the same connection.
func (c *Consumer) giveBack(ctx context.Context) {
	long := framewayv1.NewStreamingServiceClient(c.Client.conns.long)
	_, _ = long.GetServerInfo(ctx, &framewayv1.GetServerInfoRequest{})
	c.mu.Lock()
	queue := c.queue
	c.queue = nil
	for _, waiting := range queue {
		waiting.rejection = &framewayv1.Rejection{
			Reason: "the consumer ended before it handled the frame", RetryDelay: durationpb.New(minPause),
		}
	}
	c.mu.Unlock()
	for _, waiting := range queue {
		c.rejections <- waiting
	}
}

// settlement acknowledges or rejects frames under these ack ids.
type settlement func(ctx context.Context, ids []string, batch []*held) ([]*framewayv1.AckResult, error)

// settle lets the frames of a channel go with as few calls as possible. It returns an error that
// another call would have, too.
func (c *Consumer) settle(ctx context.Context, frames <-chan *held, send settlement) error {
	var series pauses
	var batch []*held
	for {
		if len(batch) == 0 {
			select {
			case first := <-frames:
				batch = append(batch, first)
			case <-ctx.Done():
				return nil
			}
		}
		for len(batch) < maxAckIDs && len(frames) > 0 {
			batch = append(batch, <-frames)
		}
		ids := c.idsOf(batch)
		results, err := send(ctx, ids, batch)
		var cause *Error
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &cause) && cause.Retryable():
			c.Client.config.Logger.Warn("frameway: acknowledgements had no answer; trying again", "error", err)
			_ = sleep(ctx, series.next(cause.RetryDelay))
		case err != nil:
			return err
		default:
			series.attempt = 0
			batch = c.release(batch, ids, results)
		}
	}
}

func (c *Consumer) acknowledge(ctx context.Context, ids []string, _ []*held) ([]*framewayv1.AckResult, error) {
	request := &framewayv1.AcknowledgeFramesRequest{GroupId: c.Request.GroupId, AckIds: ids}
	answer, err := c.Client.Streaming.AcknowledgeFrames(ctx, request)
	return answer.GetResults(), err
}

func (c *Consumer) reject(ctx context.Context, ids []string, batch []*held) ([]*framewayv1.AckResult, error) {
	request := &framewayv1.RejectFramesRequest{GroupId: c.Request.GroupId}
	for i, one := range batch {
		one.rejection.AckId = ids[i]
		request.Rejections = append(request.Rejections, one.rejection)
	}
	answer, err := c.Client.Streaming.RejectFrames(ctx, request)
	return answer.GetResults(), err
}

func (c *Consumer) idsOf(batch []*held) (ids []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range batch {
		ids = append(ids, one.ackID)
	}
	return ids
}

// release forgets frames. It returns those that were delivered again meanwhile, under another ack id.
func (c *Consumer) release(batch []*held, ids []string, results []*framewayv1.AckResult) (again []*held) {
	c.mu.Lock()
	defer c.mu.Unlock()
	results = append(results, make([]*framewayv1.AckResult, max(0, len(ids)-len(results)))...)
	for i, one := range batch {
		isDone := results[i].GetDone() != nil
		if !isDone && one.ackID != ids[i] {
			again = append(again, one)
			continue
		}
		if c.held[one.key] == one {
			delete(c.held, one.key)
		}
		if !isDone {
			c.Client.config.Logger.Warn("frameway: an acknowledgement is refused; the frame was delivered again or given up",
				"stream", one.key.stream, "sequence", one.key.sequence, "reason", results[i].GetRefused().GetMessage())
		} else if one.rejection == nil {
			if len(c.acked) >= maxOutstanding {
				clear(c.acked)
			}
			c.acked[ids[i]] = true
		}
	}
	if len(c.held) == 0 {
		select {
		case c.empty <- struct{}{}:
		default:
		}
	}
	return again
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
			request := &framewayv1.ExtendAckDeadlineRequest{GroupId: c.Request.GroupId, AckIds: chunk}
			_, err := c.Client.Streaming.ExtendAckDeadline(call, request)
			cancel()
			if err != nil && ctx.Err() == nil {
				c.Client.config.Logger.Warn("frameway: the deadlines are not extended", "error", err)
			}
		}
	}
}
