package frameway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	defaultHeartbeat = 5 * time.Second
	silentHeartbeats = 3
	// The server looks up the start of every stream before its first message.
	firstMessage = 15 * time.Second
	maxSilence   = 5 * time.Minute
	minPause     = 200 * time.Millisecond
	maxOwnPause  = 5 * time.Second
	maxPause     = 30 * time.Second
)

// errDone ends a call that has brought all that was asked for.
var errDone = errors.New("done")

// pauses are the pauses before repeated attempts.
type pauses struct{ attempt int }

// next returns the pause that the server asks for or, without one, the next of an exponential series;
// both with jitter.
func (p *pauses) next(requested *time.Duration) time.Duration {
	pause := min(minPause<<min(p.attempt, 5), maxOwnPause)
	p.attempt++
	if requested != nil && *requested > 0 {
		pause = min(max(*requested, minPause), maxPause)
	}
	return pause + rand.N(pause/4)
}

// delayOf returns the pause of a message; nil = none.
func delayOf(delay *durationpb.Duration) *time.Duration {
	if delay == nil {
		return nil
	}
	pause := delay.AsDuration()
	return &pause
}

func sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// mark says what a message proves about a call.
type mark int

const (
	// Every call begins with such a message, even one that then fails.
	proofOfNothing mark = iota
	proofOfLife
	progress
)

// receiver is the receiving side of a call.
type receiver[T any] interface{ Recv() (*T, error) }

// receive opens a call and passes its messages to each, until the server or each ends it. Silence for
// three heartbeat intervals ends the call, too: TCP alone does not tell a broken path.
func receive[T any](
	ctx context.Context, c *Client, silence time.Duration,
	open func(context.Context) (receiver[T], error), each func(*T) error,
) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silent := c.unavailable(nil, "the server sent nothing for %v", silence)
	silent.silent = true
	watch := time.AfterFunc(max(silence, firstMessage), func() { cancel(silent) })
	defer watch.Stop()
	call, err := open(ctx)
	for err == nil {
		var message *T
		if message, err = call.Recv(); err == nil {
			watch.Stop()
			err = each(message)
			watch.Reset(silence)
		}
	}
	if ctx.Err() != nil && err != errDone {
		return context.Cause(ctx)
	}
	if err == io.EOF || err == errDone {
		return nil
	}
	return err
}

// follow receives the messages of a call, and of the calls that continue it. It returns nil when a
// call ended as asked, and an error that another call would have, too, or after the patience.
func follow[T any](
	ctx context.Context, c *Client, heartbeat *durationpb.Duration,
	open func(context.Context) (receiver[T], error), each func(*T) (mark, error), broken func(error) error,
) error {
	usual := silentHeartbeats * heartbeat.AsDuration()
	silence, alive, series := usual, time.Now(), pauses{}
	for {
		err := receive(ctx, c, silence, open, func(message *T) error {
			proof, err := each(message)
			if proof >= proofOfLife {
				// The time that the program took for a frame does not count.
				silence, alive = usual, time.Now()
			}
			if proof == progress {
				series.attempt = 0
			}
			return err
		})
		var cause *Error
		if err == nil || ctx.Err() != nil || !errors.As(err, &cause) || !cause.Retryable() {
			return err
		}
		if cause.silent {
			// A large picture over a slow path may take longer than this: the next call waits longer.
			silence = min(2*silence, max(usual, maxSilence))
		}
		pause := series.next(cause.RetryDelay)
		if tried := time.Since(alive); tried+pause > c.config.Patience {
			return fmt.Errorf("%w; tried for %v", err, tried.Round(time.Second))
		}
		c.config.Logger.Warn("frameway: the call ended; trying again", "error", err, "pause", pause)
		if err := broken(err); err == errDone {
			return nil
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}
