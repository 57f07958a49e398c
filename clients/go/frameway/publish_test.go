package frameway_test

import (
	"testing"

	"frameway.example/frameway"
)

func TestSubmitAndSubscribe(t *testing.T) {
	scenario(t, "submit-and-subscribe", true)
	client := connect(t, frameway.Config{}, serve(t).address)
	register(t, client, cameras("north", "south")...)
	follower := follow(t, client, earliest("*"))
	agent := publisher(t, client, frameway.PublisherConfig{})
	for value := 1; value <= 10; value++ {
		publish(t, agent, gray("north", value), gray("south", value))
	}
	must(t, agent.Close(within(t)))
	follower.await("north", 1, 10)
	follower.await("south", 1, 10)
	for _, event := range follower.all() {
		if frame, ok := event.(*frameway.Frame); ok {
			if _, err := frame.Image(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
