// A grpc-go client without code or proto files of Frameway: it gets the messages from the server's
// reflection.
//
//	interop CASE ADDRESS [ROOT-CERTIFICATE]
//
// The exit code is 0 if the case passes. The lines for which run.py waits go to standard output.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"strings"
	"time"

	"github.com/jhump/protoreflect/v2/grpcreflect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

const patience = 60 * time.Second

// The services whose methods the cases call.
var services = []protoreflect.FullName{"frameway.v1.StreamingService", "frameway.v1.StreamRegistryService"}

// A JSON object, as the contract's messages have it.
type object = map[string]any

type client struct {
	conn    *grpc.ClientConn
	methods map[protoreflect.Name]protoreflect.MethodDescriptor
}

func connect(ctx context.Context, address, rootFile string, options ...grpc.DialOption) (*client, error) {
	secrets := insecure.NewCredentials()
	if rootFile != "" {
		pem, err := os.ReadFile(rootFile)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		secrets = credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: "localhost"})
	}
	// The timeouts and retries of the contract.
	config, err := os.ReadFile(os.Getenv("FRAMEWAY_SERVICE_CONFIG"))
	if err != nil {
		return nil, fmt.Errorf("FRAMEWAY_SERVICE_CONFIG: %w", err)
	}
	options = append([]grpc.DialOption{
		grpc.WithDefaultServiceConfig(string(config)),
		grpc.WithTransportCredentials(secrets),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(32 << 20)),
	}, options...)
	conn, err := grpc.NewClient(address, options...)
	if err != nil {
		return nil, err
	}
	reflection := grpcreflect.NewClientAuto(ctx, conn)
	defer reflection.Reset()
	methods := map[protoreflect.Name]protoreflect.MethodDescriptor{}
	for _, service := range services {
		file, err := reflection.FileContainingSymbol(service)
		if err != nil {
			return nil, fmt.Errorf("reflection: %w", err)
		}
		found := file.Services().ByName(service.Name()).Methods()
		for index := range found.Len() {
			methods[found.Get(index).Name()] = found.Get(index)
		}
	}
	return &client{conn, methods}, nil
}

// Returns the method's path in an HTTP request.
func path(method protoreflect.MethodDescriptor) string {
	return fmt.Sprintf("/%s/%s", method.Parent().FullName(), method.Name())
}

func (c *client) message(kind protoreflect.MessageDescriptor, value object) (*dynamicpb.Message, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	message := dynamicpb.NewMessage(kind)
	return message, protojson.Unmarshal(text, message)
}

func plain(message *dynamicpb.Message) object {
	text, _ := protojson.Marshal(message)
	var value object
	_ = json.Unmarshal(text, &value)
	return value
}

func (c *client) call(ctx context.Context, name protoreflect.Name, request object) (object, error) {
	method := c.methods[name]
	in, err := c.message(method.Input(), request)
	if err != nil {
		return nil, err
	}
	out := dynamicpb.NewMessage(method.Output())
	err = c.conn.Invoke(ctx, path(method), in, out)
	return plain(out), err
}

// The messages of a subscription, and how it ended.
type subscription struct {
	stream grpc.ClientStream
	output protoreflect.MessageDescriptor
}

func (c *client) subscribe(ctx context.Context, request object) (*subscription, error) {
	method := c.methods["SubscribeFrames"]
	in, err := c.message(method.Input(), request)
	if err != nil {
		return nil, err
	}
	stream, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, path(method))
	if err != nil {
		return nil, err
	}
	if err := stream.SendMsg(in); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return &subscription{stream, method.Output()}, stream.CloseSend()
}

func (s *subscription) next() (object, error) {
	message := dynamicpb.NewMessage(s.output)
	if err := s.stream.RecvMsg(message); err != nil {
		return nil, err
	}
	return plain(message), nil
}

// Skips messages that are not frames; returns the sequence of the next frame.
func (s *subscription) frame() (string, object, error) {
	for {
		message, err := s.next()
		if err != nil {
			return "", nil, err
		}
		if frame, ok := message["frame"].(object); ok {
			return frame["frame"].(object)["sequence"].(string), frame, nil
		}
	}
}

func selection(stream string, start object) object {
	// A large picture of noise exceeds the default bound and would be omitted.
	pictures := object{"roles": []string{"PICTURE_ROLE_PROCESSED"}, "maxPictureBytes": 31 << 20}
	return object{
		"selectors":         []object{{"streams": []object{{"id": stream}}, "start": start, "pictures": pictures}},
		"heartbeatInterval": "1s",
	}
}

func earliest() object { return object{"earliest": object{}} }

func after(cursor, stream string) object {
	return object{"cursors": object{"cursors": []object{{"streamId": stream, "cursor": cursor}}}}
}

func (c *client) register(ctx context.Context, stream string) error {
	_, err := c.call(ctx, "RegisterStream", object{"stream": object{"streamId": stream}})
	return err
}

// Submits frames of noise, which no codec compresses much.
func (c *client) submit(ctx context.Context, stream string, side, from, to int) error {
	for number := from; number <= to; number++ {
		noise := make([]byte, side*side)
		rand.New(rand.NewSource(int64(number))).Read(noise)
		frame := object{
			"streamId": stream, "publisherId": "go", "publisherSequence": number, "format": "PICTURE_FORMAT_GRAY8",
			"width": side, "height": side, "data": base64.StdEncoding.EncodeToString(noise),
		}
		answer, err := c.call(ctx, "SubmitFrameBatch", object{"frames": []object{frame}})
		if err != nil {
			return err
		}
		result := answer["results"].([]any)[0].(object)
		if result["accepted"] == nil && result["duplicate"] == nil {
			return fmt.Errorf("not accepted: %v", result)
		}
	}
	return nil
}

func expect(sub *subscription, from, to int) (cursor string, err error) {
	for number := from; number <= to; number++ {
		sequence, frame, err := sub.frame()
		if err != nil {
			return "", err
		}
		if sequence != fmt.Sprint(number) {
			return "", fmt.Errorf("frame %s where %d was next", sequence, number)
		}
		if pictures := frame["frame"].(object)["pictures"].([]any); pictures[0].(object)["data"] == nil {
			return "", errors.New("no picture")
		}
		cursor = frame["cursor"].(string)
	}
	return cursor, nil
}

func submitAndSubscribe(ctx context.Context, c *client, stream string, side int) error {
	if err := c.register(ctx, stream); err != nil {
		return err
	}
	sub, err := c.subscribe(ctx, selection(stream, object{"live": object{}}))
	if err != nil {
		return err
	}
	if first, err := sub.next(); err != nil || first["checkpoint"] == nil {
		return fmt.Errorf("the first message is not a checkpoint: %v, %w", first, err)
	}
	if err := c.submit(ctx, stream, side, 1, 3); err != nil {
		return err
	}
	_, err = expect(sub, 1, 3)
	return err
}

// Opens many subscriptions on one connection. Each must begin, and a unary call must succeed.
func manyCalls(ctx context.Context, c *client) error {
	if err := c.register(ctx, "go-many"); err != nil {
		return err
	}
	const calls = 300
	opened := make(chan error, calls)
	for range calls {
		go func() {
			sub, err := c.subscribe(ctx, selection("go-many", earliest()))
			if err == nil {
				_, err = sub.next()
			}
			opened <- err
		}()
	}
	for range calls {
		if err := <-opened; err != nil {
			return fmt.Errorf("one of %d subscriptions: %w", calls, err)
		}
	}
	_, err := c.call(ctx, "GetStream", object{"streamId": "go-many"})
	return err
}

// Opens calls and cancels each at once. A subscription on the same connection must continue.
func cancellations(ctx context.Context, c *client) error {
	if err := c.register(ctx, "go-cancel"); err != nil {
		return err
	}
	bystander, err := c.subscribe(ctx, selection("go-cancel", earliest()))
	if err != nil {
		return err
	}
	if _, err := bystander.next(); err != nil {
		return err
	}
	for round, count := range []int{22, 30, 50, 200} {
		cancels := make([]context.CancelFunc, 0, count)
		for range count {
			short, cancel := context.WithCancel(ctx)
			if _, err := c.subscribe(short, selection("go-cancel", earliest())); err != nil {
				cancel()
				return err
			}
			cancels = append(cancels, cancel)
		}
		for _, cancel := range cancels {
			cancel()
		}
		if err := c.submit(ctx, "go-cancel", 16, round+1, round+1); err != nil {
			return fmt.Errorf("after %d cancelled calls: %w", count, err)
		}
		if _, err := expect(bystander, round+1, round+1); err != nil {
			return fmt.Errorf("the bystander of %d cancelled calls: %w", count, err)
		}
	}
	return nil
}

// Waits for messages. Cancels and resumes a call without messages for three heartbeats.
func hungServer(ctx context.Context, c *client, stream string) error {
	if err := c.register(ctx, stream); err != nil {
		return err
	}
	if err := c.submit(ctx, stream, 16, 1, 3); err != nil {
		return err
	}
	start := earliest()
	next := 1
	for next <= 6 {
		call, cancel := context.WithCancel(ctx)
		sub, err := c.subscribe(call, selection(stream, start))
		if err != nil && !again(err) {
			cancel()
			return err
		}
		for err == nil {
			watchdog := time.AfterFunc(3*time.Second, cancel)
			var message object
			message, err = sub.next()
			if !watchdog.Stop() && call.Err() != nil {
				fmt.Println("noticed")
			}
			if frame, ok := message["frame"].(object); ok {
				sequence := frame["frame"].(object)["sequence"]
				if sequence != fmt.Sprint(next) {
					cancel()
					return fmt.Errorf("frame %v where %d was next", sequence, next)
				}
				start = after(frame["cursor"].(string), stream)
				next++
				fmt.Println("frame", sequence)
			}
			if message["draining"] != nil {
				fmt.Println("draining")
			}
			if next > 6 {
				break
			}
		}
		cancel()
		if next <= 6 && !again(err) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil
}

func again(err error) bool {
	code := status.Code(err)
	return code == codes.Unavailable || code == codes.DeadlineExceeded || code == codes.Canceled
}

// The queue backend hangs: calls must end with DEADLINE_EXCEEDED or UNAVAILABLE, never CANCELLED.
func deadlines(ctx context.Context, c *client) error {
	late := 0
	for number := range 40 {
		short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		err := c.submit(short, "go-submit-subscribe", 16, 1000+number, 1000+number)
		cancel()
		switch status.Code(err) {
		case codes.DeadlineExceeded:
			late++
		case codes.Unavailable:
		default:
			return fmt.Errorf("call %d: %w", number, err)
		}
	}
	if late == 0 {
		return errors.New("no deadline passed")
	}
	return nil
}

func details(ctx context.Context, c *client) error {
	_, err := c.call(ctx, "GetStream", object{"streamId": "nobody"})
	if status.Code(err) != codes.NotFound {
		return fmt.Errorf("expected NOT_FOUND: %w", err)
	}
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.Reason == "ERROR_REASON_STREAM_NOT_FOUND" {
			if info.Metadata["stream_id"] != "nobody" {
				return fmt.Errorf("the metadata do not name the stream: %v", info.Metadata)
			}
			return nil
		}
	}
	return fmt.Errorf("no ErrorInfo: %w", err)
}

func receiveLimit(ctx context.Context, c *client, address, root string) error {
	if err := c.register(ctx, "go-limit"); err != nil {
		return err
	}
	if err := c.submit(ctx, "go-limit", 1024, 1, 1); err != nil {
		return err
	}
	narrow, err := connect(ctx, address, root, grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(256<<10)))
	if err != nil {
		return err
	}
	sub, err := narrow.subscribe(ctx, selection("go-limit", earliest()))
	if err != nil {
		return err
	}
	if _, _, err := sub.frame(); status.Code(err) != codes.ResourceExhausted {
		return fmt.Errorf("expected RESOURCE_EXHAUSTED: %w", err)
	}
	return nil
}

// Keeps a subscription without frames open: heartbeats keep it alive, also in a proxy.
func idle(ctx context.Context, c *client) error {
	if err := c.register(ctx, "go-idle"); err != nil {
		return err
	}
	sub, err := c.subscribe(ctx, selection("go-idle", object{"live": object{}}))
	if err != nil {
		return err
	}
	for beats := 0; beats < 8; {
		message, err := sub.next()
		if err != nil {
			return err
		}
		if message["heartbeat"] != nil {
			beats++
		}
	}
	return nil
}

func run(name, address, root string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := connect(ctx, address, root)
	if err != nil {
		return err
	}
	switch name {
	case "submit-subscribe":
		return submitAndSubscribe(ctx, c, "go-"+name, 16)
	case "large-pictures":
		return submitAndSubscribe(ctx, c, "go-"+name, 3000)
	case "many-calls":
		return manyCalls(ctx, c)
	case "cancellations":
		return cancellations(ctx, c)
	case "hung-server", "drain":
		return hungServer(ctx, c, "go-"+name)
	case "deadlines":
		return deadlines(ctx, c)
	case "error-details":
		return details(ctx, c)
	case "receive-limit":
		return receiveLimit(ctx, c, address, root)
	case "idle":
		return idle(ctx, c)
	}
	return fmt.Errorf("no such case: %s", name)
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: interop CASE ADDRESS [ROOT-CERTIFICATE]")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], strings.Join(os.Args[3:], "")); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
