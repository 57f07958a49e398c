package frameway

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	framewayv1 "frameway.example/gen/frameway/v1"
)

const (
	defaultRequestBytes = 32 << 20
	maxResumeStreams    = 1000
	maxThrottlePause    = time.Minute
)

// outbox has the undecided frames of a publisher, in the order in which they were published. It does no
// I/O and has no lock. Frames of a stream do not overtake each other: after one was refused, the stream
// sends nothing until all its frames in flight are answered.
type outbox struct {
	config   PublisherConfig
	patience time.Duration
	queue    []*entry
	lanes    map[string]*lane
	// asked has the lanes whose positions are not known yet.
	asked map[string]*lane
	// all has the throttle for all streams.
	all      lane
	inFlight []flight
	lastID   uint64
	limits   *framewayv1.SubmitReady
	// progress is the time of the last decision, or that since which the queue is not empty.
	progress          time.Time
	closing, draining bool
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
	known          chan struct{}
	position, last uint64
	inFlight       int
	// refused is set while refused frames wait for those in flight.
	refused   bool
	notBefore time.Time
	series    pauses
	throttle  *framewayv1.SubmitThrottle
}

// flight is a batch that is not answered yet.
type flight struct {
	id      uint64
	bytes   int64
	entries []*entry
}

// fated is a frame that is decided.
type fated struct {
	entry *entry
	fate  Fate
}

func (o *outbox) push(e *entry) error {
	if o.closing {
		return ErrClosed
	}
	// The server would end the call for such a frame.
	if limit := int64(cmp.Or(o.limits.GetMaxMessageBytes(), defaultRequestBytes)); e.bytes+frameOverheadBytes > limit {
		text := fmt.Sprintf("it takes %d bytes, and a message at most %d: send a smaller picture", e.bytes, limit)
		return &FrameError{&framewayv1.ItemError{Reason: framewayv1.ErrorReason_ERROR_REASON_PICTURE_TOO_LARGE, Message: text}, e.frame}
	}
	e.pushed, e.lane = time.Now(), o.lane(e.frame.StreamId)
	if len(o.queue) == 0 {
		o.progress = e.pushed
	}
	o.queue = append(o.queue, e)
	return nil
}

func (o *outbox) lane(streamID string) *lane {
	if o.lanes[streamID] == nil {
		o.lanes[streamID] = &lane{known: make(chan struct{})}
		o.asked[streamID] = o.lanes[streamID]
	}
	return o.lanes[streamID]
}

// resumed returns the streams whose positions the next setup asks for.
func (o *outbox) resumed() []string {
	streamIDs := slices.Collect(maps.Keys(o.asked))
	return streamIDs[:min(len(streamIDs), maxResumeStreams)]
}

// waited returns the time since the last decision while frames are undecided.
func (o *outbox) waited(now time.Time) time.Duration {
	if len(o.queue) == 0 {
		return 0
	}
	return now.Sub(o.progress)
}

// ready records the limits of a call, and the positions of its streams.
func (o *outbox) ready(limits *framewayv1.SubmitReady) {
	o.limits = limits
	for _, position := range limits.Positions {
		if lane := o.asked[position.StreamId]; lane != nil {
			lane.position = position.GetLastPublisherSequence()
			lane.last = lane.position
			close(lane.known)
			delete(o.asked, position.StreamId)
		}
	}
}

// next removes the next batch from the waiting frames. Without one, it returns the time until there may
// be one if nothing changes. The error is errDone when the call has nothing more to send.
func (o *outbox) next(now time.Time) (*framewayv1.SubmitBatch, time.Duration, error) {
	wait := o.patience - o.waited(now)
	switch {
	case wait <= 0:
		return nil, 0, fmt.Errorf("frameway: no frame was decided for %v", o.patience)
	// Another call follows a drain, and one asks for the positions of new streams.
	case o.draining, len(o.asked) > 0, o.closing && len(o.queue) == 0:
		if len(o.inFlight) == 0 {
			return nil, 0, errDone
		}
		return nil, wait, nil
	case len(o.inFlight) >= max(int(o.limits.MaxInFlightBatches), 1):
		return nil, wait, nil
	}
	frames := min(int(o.limits.MaxBatchFrames), cmp.Or(o.config.BatchFrames, int(o.limits.MaxBatchFrames)))
	left := int64(o.limits.MaxInFlightBytes) - frameOverheadBytes
	for _, flight := range o.inFlight {
		left -= flight.bytes
	}
	batch, full := flight{id: o.lastID + 1}, false
	for _, e := range o.queue {
		if e.sent || e.lane.refused {
			continue
		}
		if ready := latest(e.lane.notBefore, o.all.notBefore); ready.After(now) {
			wait = min(wait, ready.Sub(now))
			continue
		}
		isFirst := len(batch.entries) == 0
		full = !isFirst && batch.bytes+e.bytes > min(o.config.BatchBytes, int64(o.limits.MaxMessageBytes)) ||
			(!isFirst || len(o.inFlight) > 0) && batch.bytes+e.bytes > left
		if full {
			break
		}
		batch.entries, batch.bytes = append(batch.entries, e), batch.bytes+e.bytes
		// A paced frame ends its batch.
		full = len(batch.entries) >= frames || e.lane.interval(e.bytes)+o.all.interval(e.bytes) > 0
		if full {
			break
		}
	}
	if len(batch.entries) == 0 {
		return nil, wait, nil
	}
	if linger := batch.entries[0].pushed.Add(o.config.Linger).Sub(now); linger > 0 && !full && !o.closing {
		return nil, min(wait, linger), nil
	}
	return o.take(batch, now), 0, nil
}

// take numbers the frames of a batch, and marks them as sent.
func (o *outbox) take(batch flight, now time.Time) *framewayv1.SubmitBatch {
	o.lastID = batch.id
	o.inFlight = append(o.inFlight, batch)
	message := &framewayv1.SubmitBatch{BatchId: batch.id}
	for _, e := range batch.entries {
		if e.frame.PublisherSequence == nil {
			e.frame.PublisherSequence = proto.Uint64(e.lane.last + 1)
		}
		e.lane.last = max(e.lane.last, *e.frame.PublisherSequence)
		e.sent = true
		e.lane.inFlight++
		for _, lane := range []*lane{e.lane, &o.all} {
			lane.notBefore = latest(lane.notBefore, now.Add(lane.interval(e.bytes)))
		}
		message.Frames = append(message.Frames, e.frame)
	}
	return message
}

// interval returns the pause that the throttle asks for after a frame.
func (l *lane) interval(bytes int64) time.Duration {
	seconds := 0.0
	if fps := l.throttle.GetMaxFps(); fps > 0 {
		seconds = 1 / fps
	}
	if rate := l.throttle.GetMaxBytesPerSecond(); rate > 0 {
		seconds = max(seconds, float64(bytes)/float64(rate))
	}
	return min(time.Duration(min(seconds, maxThrottlePause.Seconds())*float64(time.Second)), maxThrottlePause)
}

// throttle records a throttle. The last one of a stream counts.
func (o *outbox) throttle(asked *framewayv1.SubmitThrottle, now time.Time) {
	lane := &o.all
	if asked.StreamId != "" {
		if lane = o.lanes[asked.StreamId]; lane == nil {
			return
		}
	}
	lane.throttle = asked
	lane.notBefore = latest(lane.notBefore, now.Add(asked.Pause.AsDuration()))
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// answered records the answer to a batch, and returns its decided frames. The others are sent again. It
// returns false if the answer is not that of the oldest batch in flight.
func (o *outbox) answered(answer *framewayv1.SubmitBatchResult, now time.Time) (fates []fated, ok bool) {
	if len(o.inFlight) == 0 || o.inFlight[0].id != answer.BatchId || len(o.inFlight[0].entries) != len(answer.Results) {
		return nil, false
	}
	for i, e := range o.inFlight[0].entries {
		e.sent = false
		e.lane.inFlight--
		fate := Fate{Frame: e.frame}
		isDecided := true
		switch outcome := answer.Results[i].Outcome.(type) {
		case *framewayv1.FrameResult_Accepted:
			fate.Sequence = outcome.Accepted.Sequence
		case *framewayv1.FrameResult_Duplicate:
			fate.Sequence, fate.Duplicate = outcome.Duplicate.Sequence, true
		case *framewayv1.FrameResult_Rejected:
			fate.Err = &FrameError{outcome.Rejected, e.frame}
			e.refusal, isDecided = outcome.Rejected, outcome.Rejected.RetryDelay == nil
		case *framewayv1.FrameResult_Unconfirmed:
			e.refusal, isDecided = outcome.Unconfirmed, false
		default: // An outcome of a newer server.
			isDecided = false
		}
		if isDecided {
			e.lane.series.attempt = 0
			fates = append(fates, fated{e, fate})
		} else if !e.lane.refused {
			e.lane.refused = true
			e.lane.notBefore = latest(e.lane.notBefore, now.Add(e.lane.series.next(delayOf(e.refusal.GetRetryDelay()))))
		}
		e.lane.refused = e.lane.refused && e.lane.inFlight > 0
	}
	o.inFlight = slices.Delete(o.inFlight, 0, 1)
	if len(fates) > 0 {
		decided := make(map[*entry]bool, len(fates))
		for _, one := range fates {
			decided[one.entry] = true
		}
		o.queue = slices.DeleteFunc(o.queue, func(e *entry) bool { return decided[e] })
		o.progress = now
	}
	return fates, true
}

// callEnded makes the frames in flight wait again: they may be stored. Throttles end with the call.
func (o *outbox) callEnded() {
	for _, e := range o.queue {
		e.sent = false
	}
	for _, lane := range o.lanes {
		lane.inFlight, lane.refused, lane.throttle = 0, false, nil
	}
	o.inFlight, o.all, o.draining = nil, lane{}, false
}

// abandon returns every frame as unconfirmed.
func (o *outbox) abandon(cause error) (fates []fated) {
	for _, e := range o.queue {
		err := fmt.Errorf("%w: %s: %w", ErrUnconfirmed, nameOf(e.frame), cause)
		if e.refusal != nil {
			err = fmt.Errorf("%w; last refusal: %s: %s", err, reasonName(e.refusal.Reason), e.refusal.Message)
		}
		fates = append(fates, fated{e, Fate{Frame: e.frame, Err: err}})
	}
	o.queue = nil
	return fates
}
