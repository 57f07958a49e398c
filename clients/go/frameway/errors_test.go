package frameway_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"frameway.example/frameway"
	framewayv1 "frameway.example/gen/frameway/v1"
)

// oneLine checks that the text of an error is one line with these parts.
func oneLine(t *testing.T, err error, parts ...string) {
	t.Helper()
	text := err.Error()
	t.Log(text)
	if strings.Contains(text, "\n") {
		t.Errorf("the text has several lines: %q", text)
	}
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in %q", part, text)
		}
	}
}

// tryConnect returns the error of Connect, which must come within a few seconds.
func tryConnect(t *testing.T, config frameway.Config) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	client, err := frameway.Connect(ctx, config)
	if err == nil {
		client.Close()
		t.Fatal("it is connected")
	}
	if ctx.Err() != nil {
		t.Errorf("the error came only with the deadline: %v", err)
	}
	return err
}

func TestNoServer(t *testing.T) {
	scenario(t, "no-server", short)
	address := freePort(t)
	err := tryConnect(t, frameway.Config{Addresses: []string{address}})
	oneLine(t, err, address, "check the address")
	var typed *frameway.Error
	if !errors.As(err, &typed) || typed.Code != codes.Unavailable || !typed.Retryable() {
		t.Errorf("%#v", err)
	}
	// A subscription gives up after the patience.
	client := connect(t, frameway.Config{Patience: 2 * time.Second}, address)
	request := earliest("cam")
	begin := time.Now()
	for event, err := range client.Subscribe(within(t), request) {
		if err != nil {
			oneLine(t, err, address, "tried for")
		} else if _, ok := event.(frameway.Reconnecting); !ok {
			t.Errorf("%v", event)
		}
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	agent := publisher(t, client, frameway.PublisherConfig{})
	_, err = publish(t, agent, gray("cam", 1))[0].Wait(within(t))
	if !errors.Is(err, frameway.ErrUnconfirmed) {
		t.Error(err)
	}
	oneLine(t, err, address, "tried for")
	if err := agent.Close(within(t)); err == nil {
		t.Error("Close hides the error")
	}
}

func TestWrongAddress(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "no-port", ":7400", "http://127.0.0.1:7400"} {
		if _, err := frameway.New(frameway.Config{Addresses: []string{address}}); err == nil {
			t.Errorf("%q is taken", address)
		} else {
			oneLine(t, err, "HOST:PORT")
		}
	}
	if _, err := frameway.New(frameway.Config{}); err == nil {
		t.Error("no address is taken")
	}
	_, err := frameway.New(frameway.Config{Addresses: []string{"frames.example:7400"}, APIKey: "secret"})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a key in plaintext: %v", err)
	} else {
		oneLine(t, err, "set Config.TLS")
	}
}

func TestWrongKey(t *testing.T) {
	scenario(t, "wrong-key", short)
	access := filepath.Join(t.TempDir(), "access.toml")
	key, err := exec.Command(program(t), "keys", "create", "--access-file", access, "--principal", "admin", "--grant", "admin").Output()
	must(t, err)
	address := serve(t, "--access-file", access).address
	good, err := frameway.Connect(within(t), frameway.Config{Addresses: []string{address}, APIKey: string(key)})
	must(t, err)
	must(t, good.Close())
	token := func(context.Context) (string, error) { return string(key), nil }
	good, err = frameway.Connect(within(t), frameway.Config{Addresses: []string{address}, Token: token})
	must(t, err)
	must(t, good.Close())

	wrong := "frameway_" + strings.Repeat("x", 43)
	err = tryConnect(t, frameway.Config{Addresses: []string{address}, APIKey: wrong})
	oneLine(t, err, "CREDENTIALS_INVALID")
	if frameway.ReasonOf(err) != framewayv1.ErrorReason_ERROR_REASON_CREDENTIALS_INVALID || grpcstatus.Code(err) != codes.Unauthenticated ||
		strings.Contains(err.Error(), wrong) {
		t.Errorf("%#v", err)
	}
	client := connect(t, frameway.Config{APIKey: wrong}, address)
	for event, err := range client.Subscribe(within(t), earliest("cam")) {
		if err == nil {
			t.Errorf("%v: the call was repeated", event)
		}
	}
	agent := publisher(t, client, frameway.PublisherConfig{})
	if _, err := publish(t, agent, gray("cam", 1))[0].Wait(within(t)); frameway.ReasonOf(err) != framewayv1.ErrorReason_ERROR_REASON_CREDENTIALS_INVALID {
		t.Error(err)
	}
	consumer := frameway.Consumer{Client: client, Request: &framewayv1.ConsumeFramesRequest{GroupId: "g", MemberId: "m"}}
	if err := consumer.Run(within(t)); frameway.ReasonOf(err) != framewayv1.ErrorReason_ERROR_REASON_CREDENTIALS_INVALID {
		t.Error(err)
	}
}

// certificate makes a certificate for 127.0.0.1. It returns its files and a pool with it.
func certificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	folder := t.TempDir()
	certFile, keyFile = filepath.Join(folder, "server.pem"), filepath.Join(folder, "server.key")
	must(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	pool = x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	must(t, err)
	pool.AddCert(parsed)
	return certFile, keyFile, pool
}

func TestPlaintextToTLS(t *testing.T) {
	scenario(t, "plaintext-to-tls", short)
	cert, key, pool := certificate(t)
	address := serve(t, "--tls-cert", cert, "--tls-key", key).address
	oneLine(t, tryConnect(t, frameway.Config{Addresses: []string{address}}), address, "set Config.TLS")
	// A certificate of an unknown CA, and the right one.
	oneLine(t, tryConnect(t, frameway.Config{Addresses: []string{address}, TLS: &tls.Config{}}), "Config.TLS.RootCAs")
	client, err := frameway.Connect(within(t), frameway.Config{Addresses: []string{address}, TLS: &tls.Config{RootCAs: pool}})
	must(t, err)
	must(t, client.Close())
}

func TestTLSToPlaintext(t *testing.T) {
	scenario(t, "tls-to-plaintext", short)
	address := serve(t).address
	oneLine(t, tryConnect(t, frameway.Config{Addresses: []string{address}, TLS: &tls.Config{}}), address, "leave Config.TLS unset")
}

func TestDeadline(t *testing.T) {
	scenario(t, "deadline", short)
	server := serve(t)
	client := connect(t, frameway.Config{}, server.address)
	register(t, client, cameras("cam")...)
	server.pause()
	const timeout = 500 * time.Millisecond
	calls := map[string]func(context.Context) error{
		"Latest": func(ctx context.Context) error { _, err := client.Latest(ctx, []string{"cam"}, nil); return err },
		"Subscribe": func(ctx context.Context) (last error) {
			for _, err := range client.Subscribe(ctx, earliest("cam")) {
				last = err
			}
			return last
		},
		"Run": func(ctx context.Context) error {
			consumer := frameway.Consumer{Client: client, Request: &framewayv1.ConsumeFramesRequest{GroupId: "g", MemberId: "m"}}
			return consumer.Run(ctx)
		},
	}
	for name, call := range calls {
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		begin := time.Now()
		err := call(ctx)
		took := time.Since(begin)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || took < timeout || took > timeout+3*time.Second {
			t.Errorf("%s: after %v: %v", name, took, err)
		}
	}
}

func TestCancel(t *testing.T) {
	scenario(t, "cancel", short|alone)
	server := serve(t)
	// Goroutines that belong to the harness, such as the one that waits for the process.
	before := goleak.IgnoreCurrent()
	client, err := frameway.New(frameway.Config{Addresses: []string{server.address}})
	must(t, err)
	register(t, client, cameras("cam")...)
	group(t, client, group30s("detectors"))
	follower := follow(t, client, earliest("cam"))
	begun := make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(context.Background())
	consumer := frameway.Consumer{
		Client: client, Request: &framewayv1.ConsumeFramesRequest{GroupId: "detectors", MemberId: "m"}, Parallelism: 3,
		Handler: func(ctx context.Context, _ *frameway.Frame) error {
			begun <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		},
	}
	ended := make(chan error, 1)
	go func() { ended <- consumer.Run(ctx) }()
	agent := publisher(t, client, frameway.PublisherConfig{})
	publish(t, agent, grays("cam", 1, 10)...)
	must(t, agent.Flush(within(t)))
	follower.await("cam", 1, 10)
	<-begun
	server.pause()
	results := publish(t, agent, grays("cam", 11, 20)...)

	begin := time.Now()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the consumer: %v", err)
	}
	if err := follower.stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("the subscription: %v", err)
	}
	if err := agent.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the publisher: %v", err)
	}
	for _, result := range results {
		if _, err := result.Wait(within(t)); !errors.Is(err, frameway.ErrUnconfirmed) {
			t.Errorf("a frame: %v", err)
		}
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	// Closing the client ends what still runs.
	other := publisher(t, client, frameway.PublisherConfig{ID: "other"})
	left := publish(t, other, gray("cam", 1))
	rest := follow(t, client, earliest("cam"))
	must(t, client.Close())
	if _, err := left[0].Wait(within(t)); !errors.Is(err, frameway.ErrClosed) {
		t.Errorf("a frame: %v", err)
	}
	<-rest.done
	if !errors.Is(rest.err, frameway.ErrClosed) {
		t.Errorf("the subscription: %v", rest.err)
	}
	if err := other.Close(within(t)); !errors.Is(err, frameway.ErrClosed) {
		t.Errorf("Close hides the frame that is lost: %v", err)
	}
	goleak.VerifyNone(t, before)
	server.kill()
}

func TestMessageTooLarge(t *testing.T) {
	scenario(t, "message-too-large", short)
	address := serve(t).address
	client := connect(t, frameway.Config{}, address)
	register(t, client, relayed("cam"))
	agent := publisher(t, client, frameway.PublisherConfig{})
	publish(t, agent, &framewayv1.Frame{StreamId: "cam", Data: padded(t, 2<<20)})
	must(t, agent.Close(within(t)))
	small := connect(t, frameway.Config{MaxMessageBytes: 1 << 20}, address)
	// By default, the client asks only for pictures that fit.
	for event, err := range small.Subscribe(within(t), earliest("cam")) {
		must(t, err)
		if frame, ok := event.(*frameway.Frame); ok {
			if reason := frame.Pictures[0].GetOmittedReason(); reason != framewayv1.OmittedReason_OMITTED_REASON_TOO_LARGE {
				t.Errorf("the picture: %v", reason)
			}
			break
		}
	}
	request := earliest("cam")
	request.Selectors[0].Pictures = &framewayv1.PictureSelection{MaxPictureBytes: proto.Uint32(3 << 20)}
	last := error(nil)
	for event, err := range small.Subscribe(within(t), request) {
		if _, ok := event.(frameway.Reconnecting); ok {
			t.Error("the call was repeated")
		}
		last = err
	}
	var typed *frameway.Error
	if !errors.As(last, &typed) || typed.Code != codes.ResourceExhausted || typed.Retryable() {
		t.Fatalf("%#v", last)
	}
	oneLine(t, last, "raise Config.MaxMessageBytes")
}

func TestForeignCursor(t *testing.T) {
	scenario(t, "foreign-cursor", short)
	first := connect(t, frameway.Config{}, serve(t).address)
	second := connect(t, frameway.Config{}, serve(t).address)
	path := filepath.Join(t.TempDir(), "cursors.json")
	store := frameway.FileStore(path)
	for _, client := range []*frameway.Client{first, second} {
		register(t, client, cameras("cam", "other")...)
		agent := publisher(t, client, frameway.PublisherConfig{})
		publish(t, agent, grays("cam", 1, 5)...)
		must(t, agent.Close(within(t)))
	}
	stored := followFrom(t, first, store, earliest("cam"))
	stored.await("cam", 1, 5)
	_ = stored.stop()
	content, err := os.ReadFile(path)
	must(t, err)

	failure := func(client *frameway.Client, request *framewayv1.SubscribeFramesRequest) (last error) {
		for event, err := range client.SubscribeFrom(within(t), store, request) {
			if event != nil {
				t.Errorf("delivery began: %v", event)
			}
			last = err
		}
		return last
	}
	var typed *frameway.StoreError
	// Another stream.
	err = failure(first, earliest("other"))
	if !errors.As(err, &typed) {
		t.Fatalf("%#v", err)
	}
	oneLine(t, err, path, "cam", "not selected")
	// A damaged file, and no file.
	for _, damaged := range []string{"", "{", `{"format":"other"}`, string(content[:len(content)/2])} {
		must(t, os.WriteFile(path, []byte(damaged), 0o600))
		if err = failure(first, earliest("cam")); !errors.As(err, &typed) {
			t.Fatalf("%#v", err)
		}
		oneLine(t, err, path, "damaged")
	}
	// A damaged cursor: the server refuses it.
	at := strings.Index(string(content), `"cam":"`) + 12
	must(t, os.WriteFile(path, append(append(append([]byte{}, content[:at]...), 'x'), content[at+2:]...), 0o600))
	err = failure(first, earliest("cam"))
	if frameway.ReasonOf(err) != framewayv1.ErrorReason_ERROR_REASON_CURSOR_INVALID {
		t.Errorf("%#v", err)
	}
	oneLine(t, err, "CURSOR_INVALID")
	// Another store.
	must(t, os.WriteFile(path, content, 0o600))
	foreign := followFrom(t, second, store, earliest("cam"))
	foreign.await("cam", 1, 5)
	gap, ok := foreign.all()[1].(*frameway.Gap)
	if !ok || gap.Causes[0].Reason != framewayv1.GapReason_GAP_REASON_STORE_REPLACED {
		t.Errorf("%v", foreign.all()[1])
	}
}

func TestFullDisk(t *testing.T) {
	scenario(t, "full-disk", long)
	client := connect(t, frameway.Config{}, serve(t).address)
	register(t, client, cameras("cam")...)
	path := filepath.Join(t.TempDir(), "cursors.json")
	// The store writes beside the file, onto a device that is always full.
	must(t, os.Symlink("/dev/full", path+".new"))
	follower := followFrom(t, client, frameway.FileStore(path), earliest("cam"))
	<-follower.done
	var typed *frameway.StoreError
	if !errors.As(follower.err, &typed) || !errors.Is(follower.err, syscall.ENOSPC) {
		t.Fatalf("%#v", follower.err)
	}
	oneLine(t, follower.err, path, "no space left on device")
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a file: %v", err)
	}
	if err := frameway.FileStore("/dev/full").Save(t.Context(), nil); err == nil {
		t.Error("a device is replaced")
	}
}
