package frameway

import (
	"bytes"
	"context"
	"errors"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

var errNeedsTLS = errors.New("the server refuses plaintext")

// needsTLS is the end of the GOAWAY with which a server refuses plaintext (INADEQUATE_SECURITY): its
// type and flags, the stream, the last stream and the code.
var needsTLS = []byte("\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0c")

// plaintext fails the connection to a server that uses TLS. gRPC takes the refusal for a server that
// drains, and would open connections without a pause.
type plaintext struct {
	credentials.TransportCredentials
}

func newPlaintext() credentials.TransportCredentials { return plaintext{insecure.NewCredentials()} }

func (p plaintext) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := p.TransportCredentials.ClientHandshake(ctx, authority, conn)
	return &plainConn{Conn: conn}, info, err
}

func (p plaintext) Clone() credentials.TransportCredentials { return p }

type plainConn struct {
	net.Conn
	hasRead bool
}

func (c *plainConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.hasRead && bytes.Contains(b[:n], needsTLS) {
		return 0, errNeedsTLS
	}
	c.hasRead = true
	return n, err
}
