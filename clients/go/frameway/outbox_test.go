package frameway

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	framewayv1 "frameway.example/gen/frameway/v1"
)

// model is a server that refuses frames, loses answers and asks for pauses.
type model struct {
	random *rand.Rand
	stored map[string][]uint64
	// gate is the refused publisher sequence that a stream waits for, on the present call.
	gate map[string]uint64
	// pausedUntil is the end of the pause that a stream was asked for.
	pausedUntil map[string]time.Time
	faults      int
}

func (m *model) fault(inThousand int) bool { return m.random.IntN(1000) < inThousand*m.faults }

// isBad says which frames the model rejects for good.
func isBad(frame *framewayv1.Frame) bool { return frame.Attributes["bad"] != "" }

func (m *model) answer(frame *framewayv1.Frame) *framewayv1.FrameResult {
	number, stream := frame.GetPublisherSequence(), frame.StreamId
	refusal := &framewayv1.ItemError{RetryDelay: durationpb.New(time.Duration(m.random.IntN(300)) * time.Millisecond)}
	if gate := m.gate[stream]; gate != 0 && gate != number {
		refusal.Reason = framewayv1.ErrorReason_ERROR_REASON_OUT_OF_ORDER
		return &framewayv1.FrameResult{Outcome: &framewayv1.FrameResult_Rejected{Rejected: refusal}}
	}
	if at, ok := slices.BinarySearch(m.stored[stream], number); ok {
		delete(m.gate, stream)
		return &framewayv1.FrameResult{Outcome: &framewayv1.FrameResult_Duplicate{Duplicate: &framewayv1.FrameDuplicate{Sequence: uint64(at + 1)}}}
	}
	switch {
	case m.fault(40):
		m.gate[stream] = number
		return &framewayv1.FrameResult{Outcome: &framewayv1.FrameResult_Rejected{Rejected: refusal}}
	case m.fault(20): // Not stored, and nobody knows.
		m.gate[stream] = number
		return &framewayv1.FrameResult{Outcome: &framewayv1.FrameResult_Unconfirmed{Unconfirmed: &framewayv1.ItemError{}}}
	case isBad(frame):
		delete(m.gate, stream)
		return &framewayv1.FrameResult{Outcome: &framewayv1.FrameResult_Rejected{Rejected: &framewayv1.ItemError{}}}
	}
	m.stored[stream] = append(m.stored[stream], number)
	if m.fault(20) { // Stored, with an outcome that this client does not know.
		m.gate[stream] = number
		return &framewayv1.FrameResult{}
	}
	delete(m.gate, stream)
	sequence := uint64(len(m.stored[stream]))
	return &framewayv1.FrameResult{Outcome: &framewayv1.FrameResult_Accepted{Accepted: &framewayv1.FrameAccepted{Sequence: sequence}}}
}

// Every frame is stored once and in order, or rejected for good, whatever the server does. SEED=n
// repeats a run.
func TestOutboxKeepsTheOrder(t *testing.T) {
	t.Parallel()
	first, runs := 0, 200
	if seed, err := strconv.Atoi(os.Getenv("SEED")); err == nil {
		first, runs = seed, 1
	}
	for seed := first; seed < first+runs; seed++ {
		if err := simulate(uint64(seed), seed%4); err != nil {
			t.Fatalf("SEED=%d: %v", seed, err)
		}
	}
}

func simulate(seed uint64, faults int) error {
	const frames = 150
	m := &model{random: rand.New(rand.NewPCG(seed, 1)), stored: map[string][]uint64{}, gate: map[string]uint64{}, faults: faults}
	config := PublisherConfig{BatchFrames: 7, BatchBytes: 4000, Linger: time.Duration(m.random.IntN(2)*20) * time.Millisecond}
	o := outbox{config: config, patience: time.Hour, lanes: map[string]*lane{}, asked: map[string]*lane{}}
	now := time.Now()
	pushed := map[string][]*framewayv1.Frame{}
	fates := map[*framewayv1.Frame]Fate{}
	var flying []*framewayv1.SubmitBatch
	open := func() {
		clear(m.gate)
		m.pausedUntil, flying = map[string]time.Time{}, nil
		o.callEnded()
		ready := &framewayv1.SubmitReady{MaxBatchFrames: 5, MaxMessageBytes: 10_000, MaxInFlightBatches: 3, MaxInFlightBytes: 9000}
		for _, stream := range o.resumed() {
			position := &framewayv1.PublisherPosition{StreamId: stream}
			if stored := m.stored[stream]; len(stored) > 0 {
				position.LastPublisherSequence = proto.Uint64(stored[len(stored)-1])
			}
			ready.Positions = append(ready.Positions, position)
		}
		o.ready(ready)
	}
	open()
	latency := 1 + m.random.IntN(60)
	for step, count := 0, 0; len(fates) < frames; step++ {
		if step > 100_000 {
			return fmt.Errorf("%d of %d frames are decided", len(fates), frames)
		}
		now = now.Add(time.Duration(m.random.IntN(15)) * time.Millisecond)
		if count < frames && m.random.IntN(3) == 0 {
			count++
			frame := &framewayv1.Frame{StreamId: fmt.Sprint("cam-", m.random.IntN(3)), Data: make([]byte, m.random.IntN(3000))}
			if m.random.IntN(13) == 0 {
				frame.Attributes = map[string]string{"bad": "true"}
			}
			e := &entry{frame: frame, bytes: int64(proto.Size(frame)) + frameOverheadBytes}
			if err := o.push(e); err != nil {
				return err
			}
			pushed[frame.StreamId] = append(pushed[frame.StreamId], frame)
		}
		batch, wait, err := o.next(now)
		switch {
		case err == errDone:
			open()
			continue
		case err != nil:
			return err
		case batch == nil && wait <= 0:
			return fmt.Errorf("it waits for %v", wait)
		}
		if batch != nil {
			bytes := 0
			for _, frame := range batch.Frames {
				if now.Before(m.pausedUntil[frame.StreamId]) {
					return fmt.Errorf("%s does not pause", frame.StreamId)
				}
				bytes += proto.Size(frame)
			}
			if flying = append(flying, batch); len(flying) > 3 || len(batch.Frames) > 5 || bytes > 4000 {
				return fmt.Errorf("%d batches, %d frames, %d bytes", len(flying), len(batch.Frames), bytes)
			}
		}
		if len(flying) > 0 && m.random.IntN(latency) == 0 {
			answer := &framewayv1.SubmitBatchResult{BatchId: flying[0].BatchId}
			for _, frame := range flying[0].Frames {
				answer.Results = append(answer.Results, m.answer(frame))
			}
			if flying = flying[1:]; m.fault(20) {
				open() // The answer is lost.
				continue
			}
			decided, ok := o.answered(answer, now)
			if !ok {
				return fmt.Errorf("batch %d is not known", answer.BatchId)
			}
			for _, one := range decided {
				if _, twice := fates[one.fate.Frame]; twice {
					return fmt.Errorf("a frame is decided twice")
				}
				fates[one.fate.Frame] = one.fate
			}
		}
		if m.fault(5) {
			stream, pause := fmt.Sprint("cam-", m.random.IntN(3)), time.Duration(m.random.IntN(100))*time.Millisecond
			if o.lanes[stream] != nil {
				m.pausedUntil[stream] = now.Add(pause)
				o.throttle(&framewayv1.SubmitThrottle{StreamId: stream, Pause: durationpb.New(pause), MaxFps: proto.Float64(200)}, now)
			}
		}
		if m.fault(3) {
			open() // The call is cut.
		}
	}
	for stream, frames := range pushed {
		var good []uint64
		for _, frame := range frames {
			fate := fates[frame]
			if isBad(frame) != (fate.Err != nil) {
				return fmt.Errorf("%s %d: %v", stream, frame.GetPublisherSequence(), fate.Err)
			}
			if !isBad(frame) {
				if good = append(good, frame.GetPublisherSequence()); fate.Sequence != uint64(len(good)) {
					return fmt.Errorf("%s: frame %d of the good ones has the sequence %d", stream, len(good), fate.Sequence)
				}
			}
		}
		if !slices.Equal(good, m.stored[stream]) {
			return fmt.Errorf("%s has %v, not %v", stream, m.stored[stream], good)
		}
	}
	return nil
}
