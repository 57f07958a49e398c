package frameway

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	framewayv1 "frameway.example/gen/frameway/v1"
)

// Version is the version of this package, which follows that of the server.
const Version = "0.1.0"

// Forever is a patience without an end.
const Forever time.Duration = math.MaxInt64

const (
	// The server sends up to 32 MiB of pictures in a message, and other fields with them.
	defaultMessageBytes   = 36 << 20
	messageMarginBytes    = 4 << 20
	maxPictureBytes       = 32 << 20
	streamWindowBytes     = 4 << 20
	connectionWindowBytes = 8 << 20
	defaultPatience       = time.Minute
	// A broken connection is noticed after 15 s, no later than the silence of a call.
	keepaliveTime    = 10 * time.Second
	keepaliveTimeout = 5 * time.Second
	connectTimeout   = 5 * time.Second
)

// ErrClosed is the error of everything that still ran when its client or publisher was closed.
var ErrClosed = errors.New("frameway: closed")

// Config says which servers to connect to, and how.
type Config struct {
	// Addresses are the servers, each HOST:PORT or unix:PATH. The client uses the first that answers.
	Addresses []string
	// TLS encrypts the connection. Nil = plaintext.
	TLS *tls.Config
	// APIKey is sent with every call.
	APIKey string
	// Token returns what is sent instead of an API key. It is called for every call, so that a
	// program can renew its token.
	Token func(context.Context) (string, error)
	// AllowPlaintextCredentials permits the key or token to be sent to another machine without TLS.
	// Everyone on the path can then read and use it.
	AllowPlaintextCredentials bool
	// MaxMessageBytes bounds a received message. 0 = 36 MiB, enough for every message of a server.
	MaxMessageBytes int
	// Patience is the time without any progress after which a publisher, a subscription or a consumer
	// gives up. 0 = one minute; [Forever] = never.
	Patience time.Duration
	// Logger gets a line for each broken connection and each refused acknowledgement. Nil = none.
	Logger *slog.Logger
	// DialOptions are added to those of the client, for example for tracing.
	DialOptions []grpc.DialOption
}

// Client is a connection to a server. It can be used by many goroutines at the same time.
type Client struct {
	// Streaming has the calls for frames.
	Streaming framewayv1.StreamingServiceClient
	// Registry has the calls for streams.
	Registry framewayv1.StreamRegistryServiceClient
	// Groups has the calls for consumer groups.
	Groups framewayv1.ConsumerGroupServiceClient
	// DeadLetters has the calls for dead letters.
	DeadLetters framewayv1.DeadLetterServiceClient
	// Queues has the calls for work queues.
	Queues framewayv1.QueueServiceClient

	config  Config
	conns   *connections
	closed  context.Context
	close   context.CancelFunc
	running sync.WaitGroup
}

// Connect returns a client after a server has answered it. It is [New] with one call, which finds a
// wrong address, wrong TLS and a wrong key. The deadline of ctx bounds that call.
func Connect(ctx context.Context, config Config) (*Client, error) {
	client, err := New(config)
	if err != nil {
		return nil, err
	}
	if _, err := client.Streaming.GetServerInfo(ctx, &framewayv1.GetServerInfoRequest{}); err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

// New returns a client that connects when it is first used. The program must close it.
func New(config Config) (*Client, error) {
	config.MaxMessageBytes = cmp.Or(config.MaxMessageBytes, defaultMessageBytes)
	config.Patience = cmp.Or(config.Patience, defaultPatience)
	config.Logger = cmp.Or(config.Logger, slog.New(slog.DiscardHandler))
	options, err := config.dialOptions()
	if err != nil {
		return nil, err
	}
	conns := &connections{addresses: strings.Join(config.Addresses, ", ")}
	dial := func(extra ...grpc.DialOption) *grpc.ClientConn {
		// The resolver has the addresses. It belongs to one connection.
		conn, failed := grpc.NewClient("frameway:///servers", append(options(), extra...)...)
		err = cmp.Or(err, failed)
		return conn
	}
	// The layer resumes long calls itself; gRPC must not.
	conns.unary, conns.long = dial(), dial(grpc.WithDisableRetry())
	if err != nil {
		return nil, fmt.Errorf("frameway: %s: %w", conns.addresses, err)
	}
	client := &Client{
		Streaming:   framewayv1.NewStreamingServiceClient(conns),
		Registry:    framewayv1.NewStreamRegistryServiceClient(conns),
		Groups:      framewayv1.NewConsumerGroupServiceClient(conns),
		DeadLetters: framewayv1.NewDeadLetterServiceClient(conns),
		Queues:      framewayv1.NewQueueServiceClient(conns),
		config:      config,
		conns:       conns,
	}
	client.closed, client.close = context.WithCancel(context.Background())
	return client, nil
}

// Close ends every call, publisher, subscription and consumer of the client, and waits for the
// goroutines of its publishers. Frames that are still undecided count as unconfirmed.
func (c *Client) Close() error {
	c.close()
	c.running.Wait()
	return errors.Join(c.conns.unary.Close(), c.conns.long.Close())
}

// Conn returns the connections, for the stubs of other services of the server.
func (c *Client) Conn() grpc.ClientConnInterface { return c.conns }

// bind returns a context that also ends, with ErrClosed, when the client is closed.
func (c *Client) bind(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.closed, func() { cancel(ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

// dialOptions checks the config, and returns a function that makes the options of one connection.
func (c *Config) dialOptions() (func() []grpc.DialOption, error) {
	if len(c.Addresses) == 0 {
		return nil, errors.New("frameway: Config.Addresses is empty: add the server's HOST:PORT")
	}
	state := resolver.State{}
	for _, address := range c.Addresses {
		host, port, err := net.SplitHostPort(address)
		isSocket := strings.HasPrefix(address, "unix:")
		if !isSocket && (err != nil || host == "" || port == "") {
			return nil, fmt.Errorf("frameway: the address %q is not HOST:PORT or unix:PATH", address)
		}
		local, name := isSocket || isLoopback(host), address
		if isSocket {
			name = "localhost"
		}
		if (c.APIKey != "" || c.Token != nil) && c.TLS == nil && !local && !c.AllowPlaintextCredentials {
			return nil, fmt.Errorf("frameway: the key would be sent to %s without encryption: set Config.TLS", address)
		}
		state.Addresses = append(state.Addresses, resolver.Address{Addr: address, ServerName: name})
	}
	transport := newPlaintext()
	if c.TLS != nil {
		transport = credentials.NewTLS(c.TLS)
	}
	return func() []grpc.DialOption {
		addresses := manual.NewBuilderWithScheme("frameway")
		addresses.InitialState(state)
		options := []grpc.DialOption{
			grpc.WithResolvers(addresses),
			grpc.WithTransportCredentials(transport),
			grpc.WithUserAgent("frameway-go/" + Version),
			grpc.WithDefaultServiceConfig(framewayv1.ServiceConfig),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(c.MaxMessageBytes)),
			grpc.WithInitialWindowSize(streamWindowBytes),
			grpc.WithInitialConnWindowSize(connectionWindowBytes),
			grpc.WithKeepaliveParams(keepalive.ClientParameters{
				Time: keepaliveTime, Timeout: keepaliveTimeout, PermitWithoutStream: true,
			}),
			// With the defaults, a client may wait up to two minutes after the server is back.
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: minPause, Multiplier: 2, Jitter: 0.2, MaxDelay: maxOwnPause},
				MinConnectTimeout: connectTimeout,
			}),
		}
		if c.APIKey != "" || c.Token != nil {
			options = append(options, grpc.WithPerRPCCredentials(bearer{c.APIKey, c.Token}))
		}
		return append(options, c.DialOptions...)
	}, nil
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// bearer adds the API key or token to every call.
type bearer struct {
	key   string
	token func(context.Context) (string, error)
}

func (b bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	key := b.key
	if b.token != nil {
		var err error
		if key, err = b.token(ctx); err != nil {
			return nil, err
		}
	}
	return map[string]string{"authorization": "Bearer " + strings.TrimSpace(key)}, nil
}

// RequireTransportSecurity returns false: dialOptions has checked the addresses.
func (bearer) RequireTransportSecurity() bool { return false }

// connections has one connection for long calls and another for calls with a single answer. A server
// limits the calls of a connection, and a further call waits without an error: if subscriptions used
// the limit up, no frame could be acknowledged over the same connection.
//
// Every error of a call passes through it and becomes an *Error.
type connections struct {
	addresses   string
	unary, long *grpc.ClientConn
}

func (c *connections) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return c.explain(c.unary.Invoke(ctx, method, args, reply, opts...))
}

func (c *connections) NewStream(
	ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	stream, err := c.long.NewStream(ctx, desc, method, opts...)
	return explainedStream{stream, c}, c.explain(err)
}

type explainedStream struct {
	grpc.ClientStream
	conns *connections
}

func (s explainedStream) RecvMsg(m any) error { return s.conns.explain(s.ClientStream.RecvMsg(m)) }
