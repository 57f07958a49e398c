package frameway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
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
	// The bytes that a frame takes here and in a batch beside its own.
	frameOverheadBytes = 64
)

// ErrUnconfirmed is wrapped by the error of a frame that may be stored or not.
var ErrUnconfirmed = errors.New("frameway: unconfirmed")

// PublisherConfig says how to publish.
type PublisherConfig struct {
	// ID is the publisher id. Required: with it, the server recognizes a frame that is sent again. Two
	// publishers that run at the same time need two ids.
	ID string
	// BatchFrames is the maximum number of frames in a batch. 0 = the server's maximum.
	BatchFrames int
	// BatchBytes is the maximum bytes of a batch of several frames. 0 = 4 MiB.
	BatchBytes int64
	// Linger is the time that a frame waits for others in its batch. 0 = none: only frames that
	// arrive while the server is busy share a batch.
	Linger time.Duration
	// MaxBytes bounds the undecided frames. Publish waits while they are more. 0 = 64 MiB.
	MaxBytes int64
	// OnFate is called once for each frame, for the frames of a stream in order. It must not call the
	// publisher. Nil = the log has a line for each frame that is not stored.
	OnFate func(Fate)
}

// Fate is what became of a published frame.
type Fate struct {
	// Frame is the frame, with its publisher sequence.
	Frame *framewayv1.Frame
	// Sequence is the frame's sequence in its stream. 0 = the frame is not stored, or unconfirmed.
	Sequence uint64
	// Duplicate says that the frame had been stored before. This is a success.
	Duplicate bool
	// Err is nil if the frame is stored. A [*FrameError] = the server rejected it for good; an
	// [ErrUnconfirmed] = the publisher ended before the server had decided.
	Err error
}

// FrameError says why the server rejected a frame. Sending the frame again does not help.
type FrameError struct {
	*framewayv1.ItemError
	frame *framewayv1.Frame
}

func (e *FrameError) Error() string {
	return fmt.Sprintf("frameway: %s: %s: %s", nameOf(e.frame), reasonName(e.Reason), e.Message)
}

// nameOf names a frame in a text.
func nameOf(frame *framewayv1.Frame) string {
	if frame.PublisherSequence == nil {
		return "a frame of " + frame.StreamId
	}
	return fmt.Sprintf("frame %d of %s", *frame.PublisherSequence, frame.StreamId)
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
// numbers them, sends them again when the connection breaks or the server refuses them for a time, and
// slows down when the server asks for it. It can be used by many goroutines at the same time.
type Publisher struct {
	client  *Client
	config  PublisherConfig
	room    *semaphore.Weighted
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}
	changed chan struct{}

	mu     sync.Mutex
	outbox outbox
	err    error
}

type submitCall = grpc.BidiStreamingClient[framewayv1.SubmitFramesRequest, framewayv1.SubmitFramesResponse]

// NewPublisher returns a publisher, which connects when the first frame is published. The program must
// close it, or the client.
func (c *Client) NewPublisher(config PublisherConfig) (*Publisher, error) {
	if config.ID == "" {
		return nil, errors.New("frameway: PublisherConfig.ID is empty: choose an id that stays the same after a restart")
	}
	config.MaxBytes = cmp.Or(config.MaxBytes, defaultPublisherBytes)
	config.BatchBytes = cmp.Or(config.BatchBytes, defaultBatchBytes)
	p := &Publisher{
		client:  c,
		config:  config,
		room:    semaphore.NewWeighted(config.MaxBytes),
		done:    make(chan struct{}),
		changed: make(chan struct{}, 1),
		outbox:  outbox{config: config, patience: c.config.Patience, lanes: map[string]*lane{}, asked: map[string]*lane{}},
	}
	p.ctx, p.cancel = context.WithCancel(c.closed)
	c.running.Go(p.run)
	return p, nil
}

// Publish hands a frame over. It waits while the undecided frames take more than MaxBytes. The frame
// belongs to the publisher until its fate is known.
//
// A frame without a publisher sequence gets the next number of its stream. The publisher begins after
// the position that the server reports. Numbers of the program's own must rise within a stream.
func (p *Publisher) Publish(ctx context.Context, frame *framewayv1.Frame) (*Result, error) {
	e := &entry{frame: frame, bytes: int64(proto.Size(frame)) + frameOverheadBytes, result: &Result{done: make(chan struct{})}}
	e.weight = min(e.bytes, p.config.MaxBytes)
	if err := p.room.Acquire(ctx, e.weight); err != nil {
		return nil, err
	}
	p.mu.Lock()
	err := p.err
	if err == nil {
		err = p.outbox.push(e)
	}
	p.mu.Unlock()
	if err != nil {
		p.room.Release(e.weight)
		return nil, err
	}
	p.wake()
	return e.result, nil
}

// Position returns the publisher sequence of this publisher's last stored frame in a stream, as the
// server reported it when the stream was first used here. 0 = none. A program that numbers its frames
// itself continues after it.
func (p *Publisher) Position(ctx context.Context, streamID string) (uint64, error) {
	p.mu.Lock()
	lane := p.outbox.lane(streamID)
	p.mu.Unlock()
	p.wake()
	select {
	case <-lane.known:
		return lane.position, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-p.done:
		return 0, p.failure()
	}
}

// Flush waits until every frame that was published before has its fate. It returns the error that
// ended the publisher; fates are reported elsewhere.
func (p *Publisher) Flush(ctx context.Context) error {
	if err := p.room.Acquire(ctx, p.config.MaxBytes); err != nil {
		return err
	}
	p.room.Release(p.config.MaxBytes)
	return p.failure()
}

// Close waits until every frame has its fate. When ctx ends, frames that are still undecided become
// unconfirmed. It returns the error that ended the publisher, or that of ctx if frames were left.
func (p *Publisher) Close(ctx context.Context) error {
	p.mu.Lock()
	p.outbox.closing = true
	p.mu.Unlock()
	p.wake()
	select {
	case <-p.done:
	case <-ctx.Done():
		p.cancel()
		<-p.done
		return ctx.Err()
	}
	if err := p.failure(); err != ErrClosed {
		return err
	}
	return nil
}

func (p *Publisher) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// wake wakes the goroutine that sends, or that waits for work.
func (p *Publisher) wake() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// report reports fates, and makes room for other frames.
func (p *Publisher) report(fates []fated) {
	for _, one := range fates {
		one.entry.result.fate = one.fate
		if p.config.OnFate != nil {
			p.config.OnFate(one.fate)
		} else if one.fate.Err != nil {
			p.client.config.Logger.Warn("frameway: a frame is not stored", "error", one.fate.Err)
		}
		close(one.entry.result.done)
		p.room.Release(one.entry.weight)
	}
}

// run makes one call after the other while there is work.
func (p *Publisher) run() {
	defer close(p.done)
	defer p.cancel()
	var series pauses
	var err error
	for err == nil && p.waitForWork() {
		var decided bool
		decided, err = p.call()
		if decided {
			series.attempt = 0
		}
		var cause *Error
		if errors.As(err, &cause) && cause.Retryable() && p.ctx.Err() == nil {
			pause := series.next(cause.RetryDelay)
			p.mu.Lock()
			waited := p.outbox.waited(time.Now())
			p.mu.Unlock()
			if waited+pause > p.client.config.Patience {
				err = fmt.Errorf("%w; tried for %v", err, waited.Round(time.Second))
				break
			}
			p.client.config.Logger.Warn("frameway: the publisher's call ended; trying again", "error", err, "pause", pause)
			err = sleep(p.ctx, pause)
		}
	}
	if err == nil || p.ctx.Err() != nil {
		err = ErrClosed
	}
	p.mu.Lock()
	fates := p.outbox.abandon(err)
	if p.err = err; err == ErrClosed && len(fates) > 0 {
		p.err = fmt.Errorf("%w while %d frames were undecided", ErrClosed, len(fates))
	}
	p.mu.Unlock()
	p.report(fates)
}

// waitForWork waits until a call is needed. It returns false if none will be.
func (p *Publisher) waitForWork() bool {
	for p.ctx.Err() == nil {
		p.mu.Lock()
		work, closing := len(p.outbox.queue) > 0 || len(p.outbox.asked) > 0, p.outbox.closing
		p.mu.Unlock()
		if work || closing {
			return work
		}
		select {
		case <-p.changed:
		case <-p.ctx.Done():
		}
	}
	return false
}

// call sends batches over one call until it ends. It reports whether a frame was decided.
func (p *Publisher) call() (decided bool, err error) {
	ctx, cancel := context.WithCancelCause(p.ctx)
	var sender sync.WaitGroup
	defer func() {
		cancel(nil)
		sender.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.outbox.callEnded()
	}()
	var call submitCall
	open := func(ctx context.Context) (receiver[framewayv1.SubmitFramesResponse], error) {
		p.mu.Lock()
		setup := &framewayv1.SubmitSetup{
			PublisherId: p.config.ID, ResumeStreamIds: p.outbox.resumed(), HeartbeatInterval: durationpb.New(defaultHeartbeat),
		}
		p.mu.Unlock()
		var err error
		if call, err = p.client.Streaming.SubmitFrames(ctx); err == nil {
			// An error of Send comes again from Recv, with its reason.
			_ = call.Send(&framewayv1.SubmitFramesRequest{Request: &framewayv1.SubmitFramesRequest_Setup{Setup: setup}})
		}
		return call, err
	}
	var drain error
	err = receive(ctx, p.client, silentHeartbeats*defaultHeartbeat, open, func(message *framewayv1.SubmitFramesResponse) error {
		defer p.wake()
		p.mu.Lock()
		defer p.mu.Unlock()
		switch event := message.Event.(type) {
		case *framewayv1.SubmitFramesResponse_Ready:
			p.outbox.ready(event.Ready)
			sender.Go(func() { cancel(p.send(ctx, call)) })
		case *framewayv1.SubmitFramesResponse_BatchResult:
			fates, ok := p.outbox.answered(event.BatchResult, time.Now())
			if !ok {
				return p.client.unavailable(nil, "the server answered a batch that was not sent")
			}
			decided = decided || len(fates) > 0
			p.mu.Unlock()
			p.report(fates)
			p.mu.Lock()
		case *framewayv1.SubmitFramesResponse_Throttle:
			p.outbox.throttle(event.Throttle, time.Now())
		case *framewayv1.SubmitFramesResponse_Draining:
			p.outbox.draining = true
			delay := event.Draining.ReconnectDelay.AsDuration()
			drain = p.client.unavailable(&delay, "the server is draining")
		}
		return nil
	})
	return decided, cmp.Or(err, drain)
}

// send sends batches as soon as there is one, until the call has nothing more to send. Its error ends
// the call; nil leaves that to the server.
func (p *Publisher) send(ctx context.Context, call submitCall) error {
	for ctx.Err() == nil {
		p.mu.Lock()
		batch, wait, err := p.outbox.next(time.Now())
		p.mu.Unlock()
		switch {
		case err == errDone:
			_ = call.CloseSend()
			<-ctx.Done()
		case err != nil:
			return err
		case batch != nil:
			_ = call.Send(&framewayv1.SubmitFramesRequest{Request: &framewayv1.SubmitFramesRequest_Batch{Batch: batch}})
		default:
			timer := time.NewTimer(wait)
			select {
			case <-p.changed:
			case <-timer.C:
			case <-ctx.Done():
			}
			timer.Stop()
		}
	}
	return nil
}
