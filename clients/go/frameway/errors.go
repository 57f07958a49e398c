package frameway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	framewayv1 "frameway.example/gen/frameway/v1"
)

// Error is the error of a call: what the server answered, or why there is no answer.
type Error struct {
	// Code is the status code.
	Code codes.Code
	// Reason is the server's reason. Unspecified = the client or a proxy made the error, or the reason
	// is newer than this package.
	Reason framewayv1.ErrorReason
	// Metadata has the facts that the reason lists, for example limit.
	Metadata map[string]string
	// RetryDelay is the pause that the server asks for before the call is sent again. Nil = none.
	RetryDelay *time.Duration
	// RequestID names the call in the server's logs. Empty = not known.
	RequestID string

	status    *status.Status
	addresses string
	silent    bool
}

// explain turns the error of a call into an *Error.
func (c *connections) explain(err error) error {
	answer, ok := status.FromError(err)
	if err == nil || err == io.EOF || !ok {
		return err
	}
	e := &Error{Code: answer.Code(), status: answer, addresses: c.addresses}
	for _, detail := range answer.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			e.Reason = framewayv1.ErrorReason(framewayv1.ErrorReason_value[detail.Reason])
			e.Metadata = detail.Metadata
		case *errdetails.RetryInfo:
			e.RetryDelay = delayOf(detail.RetryDelay)
		case *errdetails.RequestInfo:
			e.RequestID = detail.RequestId
		}
	}
	return e
}

// unavailable returns an error after which a call is opened again, after a delay if that is not nil.
func (c *Client) unavailable(delay *time.Duration, format string, args ...any) *Error {
	answer := status.Newf(codes.Unavailable, format, args...)
	return &Error{Code: answer.Code(), RetryDelay: delay, status: answer, addresses: c.conns.addresses}
}

// advice says what to do about the texts of errors that a client makes.
var advice = []struct{ text, advice string }{
	{"first record does not look like a TLS handshake", "the server does not use TLS: leave Config.TLS unset"},
	{errNeedsTLS.Error(), "it uses TLS: set Config.TLS"},
	{"http2: frame too large", "the server may use TLS: set Config.TLS"},
	{"error reading server preface", "the server may use TLS: set Config.TLS; or it is no gRPC server"},
	{"certificate signed by unknown authority", "add the server's CA to Config.TLS.RootCAs"},
	{"x509: certificate", "the server's certificate does not fit: check its names and dates, and Config.TLS"},
	{"tls: certificate required", "the server asks for a client certificate: set Config.TLS.Certificates"},
	{"received message larger than max", "raise Config.MaxMessageBytes, or ask for fewer max_picture_bytes"},
	{"connection refused", "check the address, and that a server runs there"},
	{"no such host", "check the address"},
	{"authentication handshake failed: EOF", "the server may not use TLS: leave Config.TLS unset"},
	{"latest connection error", "check the address, and that a server runs there"},
}

// Error returns one line: what is wrong and, where it is known, what to do.
func (e *Error) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "frameway: %s: ", e.Code)
	if e.Reason != 0 {
		fmt.Fprintf(&text, "%s: ", reasonName(e.Reason))
	}
	text.WriteString(strings.ReplaceAll(e.status.Message(), "\n", " "))
	if e.Reason == 0 && e.addresses != "" {
		fmt.Fprintf(&text, " (server %s)", e.addresses)
		for _, one := range advice {
			if strings.Contains(e.status.Message(), one.text) {
				fmt.Fprintf(&text, ": %s", one.advice)
				break
			}
		}
	}
	return text.String()
}

// reasonName returns the short name of a reason, or its number if it is newer than this package.
func reasonName(reason framewayv1.ErrorReason) string {
	return strings.TrimPrefix(reason.String(), "ERROR_REASON_")
}

// GRPCStatus returns the status, for status.FromError and status.Code.
func (e *Error) GRPCStatus() *status.Status { return e.status }

// Is reports whether the error is that of a context: context.Canceled or context.DeadlineExceeded.
func (e *Error) Is(target error) bool {
	return target == context.Canceled && e.Code == codes.Canceled ||
		target == context.DeadlineExceeded && e.Code == codes.DeadlineExceeded
}

// Retryable reports whether the same call may succeed when it is sent again. It may have taken effect.
func (e *Error) Retryable() bool {
	switch e.Code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return true
	case codes.ResourceExhausted:
		// Without either, a message is too large: for the server, or for this client.
		return e.RetryDelay != nil || e.Reason == framewayv1.ErrorReason_ERROR_REASON_SLOW_CONSUMER
	}
	return false
}

// ReasonOf returns the server's reason of an error, or of one that it wraps. Unspecified = none.
func ReasonOf(err error) framewayv1.ErrorReason {
	var call *Error
	var frame *FrameError
	switch {
	case errors.As(err, &call):
		return call.Reason
	case errors.As(err, &frame):
		return frame.GetReason()
	}
	return framewayv1.ErrorReason_ERROR_REASON_UNSPECIFIED
}
