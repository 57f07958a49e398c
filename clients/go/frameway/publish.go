package frameway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	framewayv1 "frameway.example/gen/frameway/v1"
)

const (
	defaultPublisherBytes = 64 << 20
	defaultBatchBytes     = 4 << 20
	// Everything of a frame in a batch but its own bytes.
	frameOverheadBytes = 64
	maxResumeStreams   = 1000
)

// PublisherConfig says how to publish.
type PublisherConfig struct {
	// ID is the publisher id. Required: with it, the server recognizes a frame that is sent again. Two
	// publishers that run at the same time need two ids.
	ID string
	// BatchFrames is the maximum number of frames in a batch. 0 = the server's maximum.
	BatchFrames int
	// BatchBytes is the maximum bytes of a batch of several frames. 0 = 4 MiB.
	BatchBytes int64
	// Linger is the time that a frame waits for others in its batch. 0 = none; frames that arrive
	// while the server is busy share a batch all the same.
	Linger time.Duration
	// MaxBytes bounds the undecided frames. Publish waits while they are more. 0 = 64 MiB.
	MaxBytes int64
	// OnFate is called once for each frame, for the frames of a stream in order. Do not call the
	// publisher in it. Nil = the log has a line for each frame that is not stored.
	OnFate func(Fate)
}

// Outcome is what became of a frame.
type Outcome int

// The outcomes of a frame.
const (
	// Unconfirmed means that the frame may be stored or not.
	Unconfirmed Outcome = iota
	// Accepted means that the frame is stored.
	Accepted
	// Duplicate means that the frame had been stored before. This is a success.
	Duplicate
	// Rejected means that the frame is not stored, and that sending it again does not help.
	Rejected
)

// String returns the outcome in lower case.
func (o Outcome) String() string {
	return [...]string{"unconfirmed", "accepted", "duplicate", "rejected"}[o]
}

// Fate is what became of a published frame.
type Fate struct {
	// Frame is the frame, with its publisher sequence.
	Frame *framewayv1.Frame
	// Outcome is the outcome.
	Outcome Outcome
	// Sequence is the frame's sequence in its stream, if it is accepted or a duplicate.
	Sequence uint64
	// Err is nil if the frame is stored. It is a [*FrameError] if the server rejected the frame.
	Err error
}

// FrameError says why the server refused one frame, where the call itself was answered.
type FrameError struct {
	*framewayv1.ItemError
	frame *framewayv1.Frame
}

func (e *FrameError) Error() string {
	return fmt.Sprintf("frameway: frame %d of %s: %v: %s", e.frame.GetPublisherSequence(), e.frame.StreamId, e.Reason, e.Message)
}

// Result is the fate of a frame, once it is known.
type Result struct {
	done chan struct{}
	fate Fate
}

// Wait returns the fate as soon as it is known. The error is that of the fate, or of ctx.
func (r *Result) Wait(ctx context.Context) (Fate, error) {
	select {
	case <-r.done:
		return r.fate, r.fate.Err
	case <-ctx.Done():
		return Fate{}, ctx.Err()
	}
}

// Publisher sends frames of any streams over one call at a time, in the order of each stream. It
// numbers them, sends them again when a connection breaks or the server refuses them for a time, and
// slows down when the server asks for it. It can be used by many goroutines at the same time.
type Publisher struct {
	client *Client
	config PublisherConfig
	room   *semaphore.Weighted
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{}
	outbox outbox
}

// NewPublisher returns a publisher, which connects when the first frame is published.
func (c *Client) NewPublisher(config PublisherConfig) (*Publisher, error) {
	if config.ID == "" {
		return nil, errors.New("frameway: PublisherConfig.ID is empty: choose an id that stays the same after a restart")
	}
	config.MaxBytes = cmp.Or(config.MaxBytes, defaultPublisherBytes)
	config.BatchBytes = cmp.Or(config.BatchBytes, defaultBatchBytes)
	p := &Publisher{
		client: c,
		config: config,
		room:   semaphore.NewWeighted(config.MaxBytes),
		done:   make(chan struct{}),
	}
	p.outbox = outbox{
		config:   config,
		patience: c.config.Patience,
		changed:  make(chan struct{}, 1),
		lanes:    map[string]*lane{},
	}
	p.ctx, p.cancel = context.WithCancelCause(c.closed)
	c.running.Go(p.run)
	return p, nil
}

// Publish hands a frame over. It waits while the undecided frames take more than MaxBytes. The frame
// belongs to the publisher until its fate is known.
//
// A frame without a publisher sequence gets the next number of its stream. The publisher begins after
// the position that the server reports. Numbers of the program's own must rise within a stream.
func (p *Publisher) Publish(ctx context.Context, frame *framewayv1.Frame) (*Result, error) {
	bytes := int64(proto.Size(frame)) + frameOverheadBytes
	weight := min(bytes, p.config.MaxBytes)
	if err := p.room.Acquire(ctx, weight); err != nil {
		return nil, err
	}
	result := &Result{done: make(chan struct{})}
	if err := p.outbox.push(&entry{frame: frame, bytes: bytes, weight: weight, result: result}); err != nil {
		p.room.Release(weight)
		return nil, err
	}
	return result, nil
}

// Position returns the publisher sequence of the stream's last stored frame of this publisher, as the
// server reported it when the stream was first used. 0 = none is stored. After a restart, a program
// that numbers its frames itself continues after it.
func (p *Publisher) Position(ctx context.Context, streamID string) (uint64, error) {
	lane, err := p.outbox.ask(streamID)
	if err != nil {
		return 0, err
	}
	select {
	case <-lane.known:
		return lane.position, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-p.done:
		return 0, p.outbox.failure()
	}
}

// Flush waits until every frame that was published before has its fate. Frames that are published
// meanwhile wait.
func (p *Publisher) Flush(ctx context.Context) error {
	if err := p.room.Acquire(ctx, p.config.MaxBytes); err != nil {
		return err
	}
	p.room.Release(p.config.MaxBytes)
	return p.outbox.failure()
}

// Close waits until every frame has its fate, or until ctx ends: frames that are undecided then count
// as unconfirmed. It returns the error that ended the publisher, or that of ctx if frames were left.
func (p *Publisher) Close(ctx context.Context) error {
	p.outbox.close()
	select {
	case <-p.done:
	case <-ctx.Done():
		p.cancel(ctx.Err())
		<-p.done
	}
	if err := p.outbox.failure(); err != ErrClosed {
		return err
	}
	return nil
}

// report reports fates, and makes room for other frames.
func (p *Publisher) report(fates []fated) {
	for _, one := range fates {
		one.entry.result.fate = one.fate
		if p.config.OnFate != nil {
			p.config.OnFate(one.fate)
		} else if one.fate.Err != nil {
			p.client.config.Logger.Warn("frameway: a frame is not stored", "outcome", one.fate.Outcome, "error", one.fate.Err)
		}
		close(one.entry.result.done)
		p.room.Release(one.entry.weight)
	}
}

// run makes one call after the other while frames are undecided.
func (p *Publisher) run() {
	defer close(p.done)
	defer p.cancel(nil)
	var series pauses
	for {
		if !p.outbox.waitForWork(p.ctx) {
			p.report(p.outbox.fail(ErrClosed))
			return
		}
		progress, err := p.call()
		if progress {
			series.attempt = 0
		}
		var cause *Error
		if p.ctx.Err() != nil {
			err = fmt.Errorf("%w before the frame was confirmed", ErrClosed)
		} else if errors.As(err, &cause) && cause.Retryable() {
			pause := series.next(cause.RetryDelay)
			if err = p.outbox.giveUp(pause, err); err == nil {
				p.client.config.Logger.Warn("frameway: the publisher's connection broke; trying again", "error", cause, "pause", pause)
				_ = sleep(p.ctx, pause)
			}
		}
		if err != nil {
			p.report(p.outbox.fail(err))
			return
		}
	}
}

// call sends batches over one call until it ends. It reports whether a frame was decided.
func (p *Publisher) call() (decided bool, err error) {
	ctx, cancel := context.WithCancelCause(p.ctx)
	sender := make(chan struct{})
	close(sender)
	defer func() {
		cancel(nil)
		<-sender
		p.outbox.callEnded()
	}()
	var call grpc.BidiStreamingClient[framewayv1.SubmitFramesRequest, framewayv1.SubmitFramesResponse]
	open := func(ctx context.Context) (receiver[framewayv1.SubmitFramesResponse], error) {
		var err error
		if call, err = p.client.Streaming.SubmitFrames(ctx); err != nil {
			return nil, err
		}
		setup := &framewayv1.SubmitSetup{
			PublisherId:       p.config.ID,
			ResumeStreamIds:   p.outbox.unknown(),
			HeartbeatInterval: durationpb.New(defaultHeartbeat),
		}
		// An error of Send comes again, with its reason, from Recv.
		_ = call.Send(&framewayv1.SubmitFramesRequest{Request: &framewayv1.SubmitFramesRequest_Setup{Setup: setup}})
		return call, nil
	}
	err = receive(ctx, p.client, silentHeartbeats*defaultHeartbeat, open, func(message *framewayv1.SubmitFramesResponse) error {
		switch event := message.Event.(type) {
		case *framewayv1.SubmitFramesResponse_Ready:
			p.report(p.outbox.ready(event.Ready))
			sender = make(chan struct{})
			go func() {
				defer close(sender)
				if err := p.send(ctx, call); err != nil {
					cancel(err)
				}
			}()
		case *framewayv1.SubmitFramesResponse_BatchResult:
			fates, ok := p.outbox.answered(event.BatchResult)
			p.report(fates)
			if decided = decided || len(fates) > 0; !ok {
				return p.client.unavailable(nil, "the server answered a batch that was not sent")
			}
		case *framewayv1.SubmitFramesResponse_Throttle:
			p.outbox.throttle(event.Throttle)
		case *framewayv1.SubmitFramesResponse_Draining:
			delay := event.Draining.ReconnectDelay.AsDuration()
			p.outbox.drain(p.client.unavailable(&delay, "the server is draining"))
		}
		return nil
	})
	return decided, cmp.Or(err, p.outbox.drained())
}

// send sends batches as soon as the outbox has one, until it wants no more from this call.
func (p *Publisher) send(ctx context.Context, call grpc.BidiStreamingClient[framewayv1.SubmitFramesRequest, framewayv1.SubmitFramesResponse]) error {
	for {
		batch, wait, err := p.outbox.next(time.Now())
		switch {
		case err == errDone:
			return call.CloseSend()
		case err != nil:
			return err
		case batch != nil:
			if call.Send(&framewayv1.SubmitFramesRequest{Request: &framewayv1.SubmitFramesRequest_Batch{Batch: batch}}) != nil {
				return nil // Recv has the reason.
			}
		default:
			timer := time.NewTimer(wait)
			select {
			case <-p.outbox.changed:
			case <-timer.C:
			case <-ctx.Done():
			}
			timer.Stop()
			if ctx.Err() != nil {
				return nil
			}
		}
	}
}
