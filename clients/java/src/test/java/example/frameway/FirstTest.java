package example.frameway;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("short")
class FirstTest {
  @Test
  void submitAndSubscribe() throws Exception {
    try (var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect();
        var publisher = client.publisher("p").open()) {
      Fixtures.register(client, "a", "b");
      try (var subscription = client.subscribe(Fixtures.fromBeginning("a", "b").build())) {
        for (var i = 1; i <= 10; i++) {
          publisher.publish(Fixtures.grey("a", i).build()).thenAccept(System.out::println);
          publisher.publish(Fixtures.grey("b", i).build());
        }
        publisher.flush();
        var seen = new ArrayList<String>();
        for (var event : subscription) {
          var f = ((Event.Frame) event).frame();
          seen.add(f.getStreamId() + f.getSequence() + Pictures.image(f).getWidth());
          if (seen.size() == 20) break;
        }
        System.out.println(seen);
        assertEquals(20, seen.size());
      }
      System.out.println(client.latest("a", "zz").size());
    }
  }
}
