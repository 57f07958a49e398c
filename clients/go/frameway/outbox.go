package frameway

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	framewayv1 "frameway.example/gen/frameway/v1"
)

// outbox has the undecided frames of a publisher, in the order in which they were published. Frames of
// a stream do not overtake each other: after one of them was refused, the stream sends nothing until
// all its frames in flight are answered.
type outbox struct {
	config   PublisherConfig
	patience time.Duration
	// changed wakes the goroutine that sends, or that waits for work.
	changed chan struct{}

	mu       sync.Mutex
	queue    []*entry
	lanes    map[string]*lane
	inFlight []flight
	lastID   uint64
	limits   *framewayv1.SubmitReady
	pace     pace
	// progress is the time of the last decision, or the time since which the queue is not empty.
	progress time.Time
	closing  bool
	draining *Error
	err      error
}

// entry is an undecided frame.
type entry struct {
	frame         *framewayv1.Frame
	bytes, weight int64
	pushed        time.Time
	lane          *lane
	sent          bool
	refusal       *framewayv1.ItemError
	result        *Result
}

// lane is a stream of the publisher.
type lane struct {
	// known is closed once the server has reported the position.
	known    chan struct{}
	position uint64
	last     uint64
	inFlight int
	// refused is set while refused frames wait for those in flight.
	refused   bool
	notBefore time.Time
	series    pauses
	pace      pace
}

// flight is a batch that is not answered yet.
type flight struct {
	id      uint64
	bytes   int64
	entries []*entry
}

// pace is what the server asks for with a throttle.
type pace struct {
	next                    time.Time
	framesPerS, bytesPerSec float64
}

func (p *pace) sent(now time.Time, bytes int64) {
	seconds := 0.0
	if p.framesPerS > 0 {
		seconds = 1 / p.framesPerS
	}
	if p.bytesPerSec > 0 {
		seconds = max(seconds, float64(bytes)/p.bytesPerSec)
	}
	if seconds > 0 {
		p.next = now.Add(time.Duration(min(seconds, 60) * float64(time.Second)))
	}
}

func (l *lane) isKnown() bool {
	select {
	case <-l.known:
		return true
	default:
		return false
	}
}

func (o *outbox) wake() {
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

// open returns the error that ended the outbox, if it takes no more frames.
func (o *outbox) open() error {
	if o.err == nil && o.closing {
		return ErrClosed
	}
	return o.err
}

func (o *outbox) push(e *entry) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.open(); err != nil {
		return err
	}
	if err := o.tooLarge(e); err != nil {
		return err
	}
	e.pushed, e.lane = time.Now(), o.lane(e.frame.StreamId)
	if len(o.queue) == 0 {
		o.progress = e.pushed
	}
	o.queue = append(o.queue, e)
	o.wake()
	return nil
}

// tooLarge returns the error of a frame that fits in no message. The server would end the call for it.
func (o *outbox) tooLarge(e *entry) error {
	limit := int64(o.limits.GetMaxMessageBytes()) - frameOverheadBytes
	if o.limits == nil || e.bytes <= limit {
		return nil
	}
	message := fmt.Sprintf("the frame takes %d bytes, and a message at most %d: send a smaller picture", e.bytes, limit)
	return &FrameError{&framewayv1.ItemError{Reason: framewayv1.ErrorReason_ERROR_REASON_PICTURE_TOO_LARGE, Message: message}, e.frame}
}

func (o *outbox) lane(streamID string) *lane {
	if o.lanes[streamID] == nil {
		o.lanes[streamID] = &lane{known: make(chan struct{})}
	}
	return o.lanes[streamID]
}

// ask makes the next call report the position of a stream.
func (o *outbox) ask(streamID string) (*lane, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.open(); err != nil {
		return nil, err
	}
	defer o.wake()
	return o.lane(streamID), nil
}

// unknown returns the streams whose positions are not known yet, as many as a setup may have.
func (o *outbox) unknown() (streamIDs []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, lane := range o.lanes {
		if !lane.isKnown() && len(streamIDs) < maxResumeStreams {
			streamIDs = append(streamIDs, id)
		}
	}
	return streamIDs
}

func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closing = true
	o.wake()
}

func (o *outbox) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// waitForWork waits until a call is needed. It returns false if none will be.
func (o *outbox) waitForWork(ctx context.Context) bool {
	for {
		o.mu.Lock()
		work, closing := len(o.queue) > 0 || o.asked(), o.closing
		o.mu.Unlock()
		if work || closing {
			return work
		}
		select {
		case <-o.changed:
		case <-ctx.Done():
			return false
		}
	}
}

func (o *outbox) asked() bool {
	for _, lane := range o.lanes {
		if !lane.isKnown() {
			return true
		}
	}
	return false
}

// ready records the limits of a call and the positions of its streams. It returns the frames that fit
// in no message.
func (o *outbox) ready(limits *framewayv1.SubmitReady) (fates []fated) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.limits = limits
	for _, position := range limits.Positions {
		if lane := o.lane(position.StreamId); !lane.isKnown() {
			lane.position = position.GetLastPublisherSequence()
			lane.last = lane.position
			close(lane.known)
		}
	}
	for _, e := range o.queue {
		if err := o.tooLarge(e); err != nil {
			fates = append(fates, fated{e, Fate{Frame: e.frame, Outcome: Rejected, Err: err}})
		}
	}
	o.remove(fates)
	return fates
}

// next removes the next batch from the waiting frames. Without one, it returns the time to wait for
// unless something changes. The error is errDone when this call has nothing more to send.
func (o *outbox) next(now time.Time) (*framewayv1.SubmitBatch, time.Duration, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	wait := Forever
	if len(o.queue) > 0 {
		if wait = o.patience - now.Sub(o.progress); wait < 0 {
			return nil, 0, fmt.Errorf("frameway: no frame was decided for %v", o.patience)
		}
	}
	// Another call follows: after a drain, and for the position of a stream that is new.
	if over := o.draining != nil || o.asked(); over || o.closing && len(o.queue) == 0 {
		if len(o.inFlight) == 0 {
			return nil, 0, errDone
		}
		return nil, wait, nil
	}
	if len(o.inFlight) >= max(int(o.limits.MaxInFlightBatches), 1) {
		return nil, wait, nil
	}
	frames := int(o.limits.MaxBatchFrames)
	if o.config.BatchFrames > 0 {
		frames = min(frames, o.config.BatchFrames)
	}
	if linger := o.linger(now, frames); linger > 0 {
		return nil, min(wait, linger), nil
	}
	room := min(o.config.BatchBytes, int64(o.limits.MaxMessageBytes)-frameOverheadBytes)
	left := int64(o.limits.MaxInFlightBytes) - frameOverheadBytes
	for _, flight := range o.inFlight {
		left -= flight.bytes
	}
	batch := flight{id: o.lastID + 1}
	for _, e := range o.queue {
		if e.sent || e.lane.refused {
			continue
		}
		ready := latest(e.lane.notBefore, e.lane.pace.next, o.pace.next)
		if ready.After(now) {
			wait = min(wait, ready.Sub(now))
			continue
		}
		// A frame that is larger than a batch should be goes alone.
		fits := batch.bytes+e.bytes <= room || len(batch.entries) == 0
		if len(batch.entries) == frames || !fits || batch.bytes+e.bytes > left && len(o.inFlight)+len(batch.entries) > 0 {
			break
		}
		o.take(e, now)
		batch.entries = append(batch.entries, e)
		batch.bytes += e.bytes
	}
	if len(batch.entries) == 0 {
		return nil, wait, nil
	}
	o.lastID = batch.id
	o.inFlight = append(o.inFlight, batch)
	message := &framewayv1.SubmitBatch{BatchId: batch.id}
	for _, e := range batch.entries {
		message.Frames = append(message.Frames, e.frame)
	}
	return message, 0, nil
}

// linger returns the time that the oldest waiting frame still waits for others.
func (o *outbox) linger(now time.Time, frames int) time.Duration {
	if o.config.Linger <= 0 || o.closing {
		return 0
	}
	var oldest time.Time
	count, bytes := 0, int64(0)
	for _, e := range o.queue {
		if !e.sent {
			if count++; count == 1 {
				oldest = e.pushed
			}
			bytes += e.bytes
		}
	}
	if count == 0 || count >= frames || bytes >= o.config.BatchBytes {
		return 0
	}
	return oldest.Add(o.config.Linger).Sub(now)
}

// take numbers a frame, and marks it as sent.
func (o *outbox) take(e *entry, now time.Time) {
	if e.frame.PublisherSequence == nil {
		e.frame.PublisherSequence = proto.Uint64(e.lane.last + 1)
	}
	e.lane.last = max(e.lane.last, *e.frame.PublisherSequence)
	e.sent = true
	e.lane.inFlight++
	e.lane.pace.sent(now, e.bytes)
	o.pace.sent(now, e.bytes)
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// fated is a frame that is decided.
type fated struct {
	entry *entry
	fate  Fate
}

// answered records the answer to a batch, and returns its decided frames. The others are sent again. It
// returns false if the answer is not that of the oldest batch in flight.
func (o *outbox) answered(answer *framewayv1.SubmitBatchResult) (fates []fated, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.wake()
	if len(o.inFlight) == 0 || o.inFlight[0].id != answer.BatchId || len(o.inFlight[0].entries) != len(answer.Results) {
		return nil, false
	}
	now := time.Now()
	batch := o.inFlight[0]
	o.inFlight = slices.Delete(o.inFlight, 0, 1)
	for i, e := range batch.entries {
		e.sent = false
		e.lane.inFlight--
		fate, refusal := fateOf(e, answer.Results[i])
		if fate.Outcome == Unconfirmed {
			e.lane.refused = true
			e.refusal = refusal
			var delay *time.Duration
			if refusal.GetRetryDelay() != nil {
				asked := refusal.RetryDelay.AsDuration()
				delay = &asked
			}
			e.lane.notBefore = latest(e.lane.notBefore, now.Add(e.lane.series.next(delay)))
		} else {
			e.lane.series.attempt = 0
			fates = append(fates, fated{e, fate})
		}
		e.lane.refused = e.lane.refused && e.lane.inFlight > 0
	}
	o.remove(fates)
	return fates, true
}

// fateOf reads a result. A frame is unconfirmed if it is to be sent again; so is one with an outcome of
// a newer server.
func fateOf(e *entry, result *framewayv1.FrameResult) (Fate, *framewayv1.ItemError) {
	fate := Fate{Frame: e.frame}
	switch outcome := result.Outcome.(type) {
	case *framewayv1.FrameResult_Accepted:
		fate.Outcome, fate.Sequence = Accepted, outcome.Accepted.Sequence
	case *framewayv1.FrameResult_Duplicate:
		fate.Outcome, fate.Sequence = Duplicate, outcome.Duplicate.Sequence
	case *framewayv1.FrameResult_Rejected:
		if outcome.Rejected.RetryDelay != nil {
			return fate, outcome.Rejected
		}
		fate.Outcome, fate.Err = Rejected, &FrameError{outcome.Rejected, e.frame}
	case *framewayv1.FrameResult_Unconfirmed:
		return fate, outcome.Unconfirmed
	}
	return fate, nil
}

// remove removes decided frames from the queue.
func (o *outbox) remove(fates []fated) {
	if len(fates) == 0 {
		return
	}
	decided := make(map[*entry]bool, len(fates))
	for _, one := range fates {
		decided[one.entry] = true
	}
	o.queue = slices.DeleteFunc(o.queue, func(e *entry) bool { return decided[e] })
	o.progress = time.Now()
}

// callEnded makes the frames in flight wait again: they may be stored. Throttles end with the call.
func (o *outbox) callEnded() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range o.queue {
		e.sent = false
	}
	for _, lane := range o.lanes {
		lane.inFlight, lane.refused, lane.pace = 0, false, pace{}
	}
	o.inFlight, o.pace = nil, pace{}
}

func (o *outbox) throttle(asked *framewayv1.SubmitThrottle) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.wake()
	target := &o.pace
	if asked.StreamId != "" {
		if o.lanes[asked.StreamId] == nil {
			return
		}
		target = &o.lanes[asked.StreamId].pace
	}
	target.framesPerS, target.bytesPerSec = asked.GetMaxFps(), float64(asked.GetMaxBytesPerSecond())
	target.next = time.Now().Add(asked.Pause.AsDuration())
}

// drain makes the call end once its batches are answered. The next one follows after the delay of err.
func (o *outbox) drain(err *Error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.wake()
	o.draining = err
}

// drained returns the error that drain was called with, once.
func (o *outbox) drained() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := o.draining
	if o.draining = nil; err == nil {
		return nil
	}
	return err
}

// giveUp returns an error if a pause would exceed the patience.
func (o *outbox) giveUp(pause time.Duration, cause error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if tried := time.Since(o.progress); len(o.queue) > 0 && tried+pause > o.patience {
		return fmt.Errorf("%w; tried for %v", cause, tried.Round(time.Second))
	}
	return nil
}

// fail ends the outbox, and returns its frames as unconfirmed.
func (o *outbox) fail(err error) (fates []fated) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = err
	for _, e := range o.queue {
		fate := Fate{Frame: e.frame, Err: err}
		if e.refusal != nil {
			fate.Err = fmt.Errorf("%w; %w", &FrameError{e.refusal, e.frame}, err)
		}
		fates = append(fates, fated{e, fate})
	}
	o.queue = nil
	return fates
}
