import example.frameway.FramewayClient;
import example.frameway.v1.ConsumerGroup;
import example.frameway.v1.CreateConsumerGroupRequest;
import example.frameway.v1.StartEarliest;
import example.frameway.v1.StreamMatch;

/**
 * Handles the frames of a stream as a member of a group, which it creates if necessary. Arguments:
 * the address, the group, the stream, the number of frames.
 */
public final class Consume {
  private Consume() {}

  /**
   * Runs the program.
   *
   * @param arguments the address, the group, the stream, the number of frames
   * @throws InterruptedException if the program is interrupted
   */
  public static void main(String[] arguments) throws InterruptedException {
    var group = ConsumerGroup.newBuilder().setGroupId(arguments[1]);
    group.addStreams(StreamMatch.newBuilder().setId(arguments[2]));
    group.getStartBuilder().setEarliest(StartEarliest.getDefaultInstance());
    var create = CreateConsumerGroupRequest.newBuilder().setGroup(group).build();
    try (var client = FramewayClient.builder().addresses(arguments[0]).connect()) {
      client.call(() -> client.groups().createConsumerGroup(create));
      var consumer = client.consumer(arguments[1]).memberId("consume-sample").parallelism(2);
      consumer.request(request -> request.setStopAfterFrames(Long.parseLong(arguments[3])));
      consumer
          .start(frame -> System.out.println("handled " + frame.getFrame().getSequence()))
          .await();
    }
  }
}
