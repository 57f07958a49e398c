package frameway_test

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"frameway.example/frameway"
)

func TestServerRestartPublisher(t *testing.T) {
	scenario(t, "server-restart-publisher", long)
	server := serve(t, redis(t)...)
	client := connect(t, frameway.Config{}, server.address)
	register(t, client, cameras("cam")...)
	var fates fates
	agent := publisher(t, client, frameway.PublisherConfig{OnFate: fates.add, BatchFrames: 5})
	const frames = 200
	done := make(chan error, 1)
	go func() {
		for value := 1; value <= frames; value++ {
			if _, err := agent.Publish(t.Context(), gray("cam", value)); err != nil {
				done <- err
				return
			}
		}
		done <- agent.Close(within(t))
	}()
	for round := 1; round <= 2; round++ {
		eventually(t, "frames are stored", func() bool { return len(fates.list()) >= round*20 })
		server.kill()
		server.start()
	}
	must(t, <-done)
	for i, fate := range fates.list() {
		if fate.Err != nil || fate.Sequence != uint64(i+1) {
			t.Errorf("frame %d: %+v", i+1, fate)
		}
	}
	follow(t, client, earliest("cam")).await("cam", 1, frames)
}

func TestServerRestartSubscriber(t *testing.T) {
	scenario(t, "server-restart-subscriber", short)
	server := serve(t, redis(t)...)
	client := connect(t, frameway.Config{}, server.address)
	register(t, client, cameras("cam")...)
	follower := follow(t, client, earliest("cam"))
	agent := publisher(t, client, frameway.PublisherConfig{})
	publish(t, agent, grays("cam", 1, 10)...)
	follower.await("cam", 1, 10)
	server.kill()
	publish(t, agent, grays("cam", 11, 20)...)
	eventually(t, "the break is seen", func() bool { return count[frameway.Reconnecting](follower) > 0 })
	server.start()
	must(t, agent.Close(within(t)))
	follower.await("cam", 1, 20)
	if started := count[frameway.Started](follower); started != 1 {
		t.Errorf("%d times started", started)
	}
}

func TestServerRestartConsumer(t *testing.T) {
	scenario(t, "server-restart-consumer", long)
	server := serve(t, redis(t)...)
	client := connect(t, frameway.Config{}, server.address)
	register(t, client, cameras("cam")...)
	group(t, client, group30s("detectors"))
	release := make(chan struct{})
	member := join(t, client, 4, func(number string) error {
		if number == "1" || number == "2" {
			return wait(t, release)
		}
		return nil
	})
	agent := publisher(t, client, frameway.PublisherConfig{})
	publish(t, agent, grays("cam", 1, 10)...)
	eventually(t, "handlers run", func() bool { return member.begun() == 10 })
	server.kill()
	server.start()
	publish(t, agent, grays("cam", 11, 20)...)
	must(t, agent.Close(within(t)))
	// The frames 1 and 2 were delivered again before these, since the member had not acknowledged them.
	eventually(t, "the member has joined again", func() bool { return member.begun() >= 20 })
	close(release)
	acknowledged(t, client, "detectors", 20)
	if begun := member.begun(); begun != 20 {
		t.Errorf("the handler was called %d times", begun)
	}
	must(t, member.shutdown())
}

func TestDrained(t *testing.T) {
	scenario(t, "drained", long)
	store := redis(t)
	first, second := serve(t, store...), serve(t, store...)
	client := connect(t, frameway.Config{}, first.address, second.address)
	register(t, client, cameras("cam")...)
	group(t, client, group30s("detectors"))
	follower := follow(t, client, earliest("cam"))
	member := join(t, client, 1, func(string) error { return nil })
	agent := publisher(t, client, frameway.PublisherConfig{})
	publish(t, agent, grays("cam", 1, 10)...)
	follower.await("cam", 1, 10)
	eventually(t, "frames are handled", func() bool { return member.begun() == 10 })
	first.signal(syscall.SIGTERM)
	for value := 11; value <= 60; value++ {
		fate, err := publish(t, agent, gray("cam", value))[0].Wait(within(t))
		must(t, err)
		if fate.Sequence != uint64(value) {
			t.Errorf("frame %d: %+v", value, fate)
		}
	}
	first.wait()
	publish(t, agent, grays("cam", 61, 70)...)
	must(t, agent.Close(within(t)))
	follower.await("cam", 1, 70)
	acknowledged(t, client, "detectors", 70)
	if begun := member.begun(); begun != 70 {
		t.Errorf("the handler was called %d times", begun)
	}
	must(t, member.shutdown())
}

func TestTwoAddresses(t *testing.T) {
	scenario(t, "two-addresses", short)
	client := connect(t, frameway.Config{}, freePort(t), serve(t).address)
	register(t, client, cameras("cam")...)
	follower := follow(t, client, earliest("cam"))
	agent := publisher(t, client, frameway.PublisherConfig{})
	publish(t, agent, grays("cam", 1, 5)...)
	must(t, agent.Close(within(t)))
	follower.await("cam", 1, 5)
}

func TestSilentServer(t *testing.T) {
	scenario(t, "silent-server", long)
	server := serve(t)
	client := connect(t, frameway.Config{}, server.address)
	register(t, client, cameras("cam")...)
	follower := follow(t, client, earliest("cam"))
	agent := publisher(t, client, frameway.PublisherConfig{})
	publish(t, agent, grays("cam", 1, 5)...)
	follower.await("cam", 1, 5)
	server.pause()
	stopped := time.Now()
	eventually(t, "the silence is noticed", func() bool { return count[frameway.Reconnecting](follower) > 0 })
	// Three heartbeats of 1 s, from the last one before the stop.
	if noticed := time.Since(stopped); noticed < time.Second || noticed > 8*time.Second {
		t.Errorf("noticed after %v", noticed)
	}
	server.signal(syscall.SIGCONT)
	publish(t, agent, grays("cam", 6, 10)...)
	must(t, agent.Close(within(t)))
	follower.await("cam", 1, 10)
}

func TestCursorStore(t *testing.T) {
	scenario(t, "cursor-store", short)
	client := connect(t, frameway.Config{}, serve(t).address)
	register(t, client, cameras("cam")...)
	store := frameway.FileStore(filepath.Join(t.TempDir(), "cursors.json"))
	agent := publisher(t, client, frameway.PublisherConfig{})
	first := followFrom(t, client, store, earliest("cam"))
	publish(t, agent, grays("cam", 1, 10)...)
	first.await("cam", 1, 10)
	if err := first.stop(); err == nil {
		t.Error("a cancelled subscription ends without an error")
	}
	publish(t, agent, grays("cam", 11, 20)...)
	must(t, agent.Close(within(t)))
	// The second one leaves the loop in the middle of frame 15, which therefore counts as not handled.
	for event, err := range client.SubscribeFrom(within(t), store, earliest("cam")) {
		must(t, err)
		if frame, ok := event.(*frameway.Frame); ok && frame.Attributes["number"] == "15" {
			break
		}
	}
	third := followFrom(t, client, store, earliest("cam"))
	third.await("cam", 1, 0)
	eventually(t, "the rest arrives", func() bool { return len(third.numbers("cam")) == 6 })
	if got := fmt.Sprint(third.numbers("cam")); got != "[15 16 17 18 19 20]" {
		t.Errorf("got %s", got)
	}
}
