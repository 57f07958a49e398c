// Package frameway publishes, follows and consumes the frames of a Frameway server.
//
// It is a thin layer on the generated code in frameway.example/gen/frameway/v1. [Connect] opens a
// [Client], which has a stub for each service of the API, and five things that a stub does not do:
//
//   - [Client.NewPublisher] sends frames in order, sends them again when that is safe, and reports the
//     fate of each;
//   - [Client.Subscribe] yields frames and gaps, and resumes when a connection breaks;
//   - [Client.SubscribeFrom] also keeps cursors in a [CursorStore], so that a restarted program goes on;
//   - [Consumer] calls a handler for the frames of a consumer group, and acknowledges or rejects them;
//   - [Client.Latest] reads the newest frames.
//
// # Errors
//
// An error of a call is an [*Error]. It has the reason, its metadata and the retry delay, and works
// with errors.Is (context.Canceled, context.DeadlineExceeded), errors.As and status.FromError.
//
// # Bounds
//
// A publisher holds at most [PublisherConfig].MaxBytes of undecided frames. A subscription holds one
// message, and the connection at most 4 MiB more. The server bounds the unacknowledged pictures of a
// consumer by max_outstanding_bytes.
//
// The package has no global state. A [Client] that is closed leaves no goroutine behind.
package frameway
