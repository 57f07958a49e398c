package frameway_test

import (
	"net"
	"path/filepath"
	"testing"

	"frameway.example/frameway"
)

func TestAddresses(t *testing.T) {
	t.Parallel()
	server := serve(t)
	_, port, err := net.SplitHostPort(server.address)
	must(t, err)
	socket := "unix:" + filepath.Join(t.TempDir(), "frameway.sock")
	for _, addresses := range [][2]string{{"[::1]:" + port, "[::1]:" + port}, {server.address, "localhost:" + port}, {socket, socket}} {
		server.kill()
		server.address = addresses[0]
		server.start()
		client, err := frameway.Connect(within(t), frameway.Config{Addresses: addresses[1:]})
		must(t, err)
		must(t, client.Close())
	}
}
