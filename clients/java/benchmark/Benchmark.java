import com.google.protobuf.ByteString;
import example.frameway.Event;
import example.frameway.FramewayClient;
import example.frameway.v1.Frame;
import example.frameway.v1.OutputPolicy;
import example.frameway.v1.ReencodeMode;
import example.frameway.v1.RegisterStreamRequest;
import example.frameway.v1.RetentionPolicy;
import example.frameway.v1.StartEarliest;
import example.frameway.v1.StartPosition;
import example.frameway.v1.Stream;
import example.frameway.v1.StreamMatch;
import example.frameway.v1.SubmitBatch;
import example.frameway.v1.SubmitFramesRequest;
import example.frameway.v1.SubmitFramesResponse;
import example.frameway.v1.SubmitSetup;
import example.frameway.v1.SubscribeFramesRequest;
import example.frameway.v1.SubscribeFramesResponse;
import example.frameway.v1.UnregisterStreamRequest;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Compares the publisher and the subscription with the bare stub, with pictures of 200 kB. The two
 * take turns on one server. Arguments: the address, the frames of a round, the rounds.
 */
public final class Benchmark {
  private static final int BATCH = 5;

  private final FramewayClient client;
  private final int count;
  private final ByteString picture;

  private Benchmark(FramewayClient client, int count) {
    this.client = client;
    this.count = count;
    var bytes = new byte[200_000];
    new Random(1).nextBytes(bytes);
    // It begins like a JPEG; the server passes it on unread.
    System.arraycopy(
        new byte[] {(byte) 0xff, (byte) 0xd8, (byte) 0xff, (byte) 0xe0}, 0, bytes, 0, 4);
    this.picture = ByteString.copyFrom(bytes);
  }

  /**
   * Runs the benchmark.
   *
   * @param arguments the address, the frames of a round, the rounds
   * @throws Exception if a round fails
   */
  public static void main(String[] arguments) throws Exception {
    var count = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 1_000;
    var rounds = arguments.length > 2 ? Integer.parseInt(arguments[2]) : 7;
    try (var client = FramewayClient.builder().addresses(arguments[0]).connect()) {
      var benchmark = new Benchmark(client, count);
      benchmark.round(
          "warm-up", new ArrayList<>(), new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
      var stubOut = new ArrayList<Double>();
      var layerOut = new ArrayList<Double>();
      var stubIn = new ArrayList<Double>();
      var layerIn = new ArrayList<Double>();
      for (var round = 1; round <= rounds; round++) {
        benchmark.round("round " + round, stubOut, layerOut, stubIn, layerIn);
      }
      report("publish", stubOut, layerOut);
      report("subscribe", stubIn, layerIn);
    }
  }

  private static void report(String name, List<Double> stub, List<Double> layer) {
    System.out.printf(
        "%-10s stub %.0f frames/s, layer %.0f frames/s (medians), ratio %.2f%n",
        name, median(stub), median(layer), median(layer) / median(stub));
  }

  private static double median(List<Double> values) {
    return values.stream().sorted().skip(values.size() / 2).findFirst().orElseThrow();
  }

  private void round(
      String name,
      List<Double> stubOut,
      List<Double> layerOut,
      List<Double> stubIn,
      List<Double> layerIn)
      throws Exception {
    register("stub");
    stubOut.add(measure(() -> publishByStub("stub")));
    waitForAll("stub");
    stubIn.add(measure(() -> subscribeByStub("stub")));
    layerIn.add(measure(() -> subscribeByLayer("stub")));
    unregister("stub");
    register("layer");
    layerOut.add(measure(() -> publishByLayer("layer")));
    unregister("layer");
    System.out.printf(
        "%-8s publish %.0f and %.0f, subscribe %.0f and %.0f frames/s%n",
        name,
        stubOut.get(stubOut.size() - 1),
        layerOut.get(layerOut.size() - 1),
        stubIn.get(stubIn.size() - 1),
        layerIn.get(layerIn.size() - 1));
  }

  private interface Work {
    void run() throws Exception;
  }

  private double measure(Work work) throws Exception {
    var begin = System.nanoTime();
    work.run();
    return count / ((System.nanoTime() - begin) / 1e9);
  }

  private void register(String id) {
    var stream = Stream.newBuilder().setStreamId(id);
    stream.setOutput(OutputPolicy.newBuilder().setReencodeMode(ReencodeMode.REENCODE_MODE_RELAY));
    stream.setRetention(RetentionPolicy.newBuilder().setMaxBytes(1L << 30));
    stream.getQueueBuilder().setMaxFrames(100_000).setMaxBytes(1L << 30);
    var request = RegisterStreamRequest.newBuilder().setStream(stream).build();
    client.call(() -> client.registry().registerStream(request));
  }

  private void unregister(String id) {
    var request = UnregisterStreamRequest.newBuilder().setStreamId(id).build();
    client.call(() -> client.registry().unregisterStream(request));
  }

  private Frame frame(String stream, int number) {
    return Frame.newBuilder()
        .setStreamId(stream)
        .setData(picture)
        .setPublisherSequence(number)
        .build();
  }

  private void publishByLayer(String stream) {
    try (var publisher = client.publisher("benchmark").open()) {
      for (var number = 1; number <= count; number++) {
        publisher.publish(frame(stream, number));
      }
    }
  }

  /** Sends batches of the size that the layer makes, as many at a time as the server allows. */
  private void publishByStub(String stream) throws Exception {
    var ready = new CountDownLatch(1);
    var done = new CountDownLatch(1);
    var window = new Semaphore(0);
    var answered = new AtomicInteger();
    var requests =
        client
            .longCalls()
            .submitFrames(
                new StreamObserver<SubmitFramesResponse>() {
                  @Override
                  public void onNext(SubmitFramesResponse answer) {
                    if (answer.hasReady()) {
                      window.release(
                          (int)
                              Math.min(
                                  answer.getReady().getMaxInFlightBatches(),
                                  answer.getReady().getMaxInFlightBytes() / (BATCH * 201_000L)));
                      ready.countDown();
                    } else if (answer.hasBatchResult()) {
                      answered.addAndGet(answer.getBatchResult().getResultsCount());
                      window.release();
                    }
                  }

                  @Override
                  public void onError(Throwable error) {
                    error.printStackTrace();
                    done.countDown();
                  }

                  @Override
                  public void onCompleted() {
                    done.countDown();
                  }
                });
    var setup = SubmitSetup.newBuilder().setPublisherId("benchmark");
    requests.onNext(SubmitFramesRequest.newBuilder().setSetup(setup).build());
    ready.await();
    for (var number = 1; number <= count; ) {
      window.acquire();
      var batch = SubmitBatch.newBuilder().setBatchId(number);
      for (var i = 0; i < BATCH && number <= count; i++) {
        batch.addFrames(frame(stream, number++));
      }
      requests.onNext(SubmitFramesRequest.newBuilder().setBatch(batch).build());
    }
    requests.onCompleted();
    done.await();
    if (answered.get() != count) {
      throw new IllegalStateException(answered + " frames are answered");
    }
  }

  private void waitForAll(String stream) throws Exception {
    while (client.latest(stream).get(0).getFrame().getSequence() < count) {
      Thread.sleep(20);
    }
  }

  private SubscribeFramesRequest fromBeginning(String stream) {
    var request = SubscribeFramesRequest.newBuilder().setStopAfterFrames(count);
    var start = StartPosition.newBuilder().setEarliest(StartEarliest.getDefaultInstance());
    request
        .addSelectorsBuilder()
        .setStart(start)
        .addStreams(StreamMatch.newBuilder().setId(stream));
    return request.build();
  }

  private void subscribeByLayer(String stream) {
    var bytes = 0L;
    try (var subscription = client.subscribe(fromBeginning(stream))) {
      for (var event : subscription) {
        bytes += ((Event.Frame) event).frame().getPictures(0).getData().size();
      }
    }
    check(bytes);
  }

  private void subscribeByStub(String stream) throws Exception {
    var done = new CountDownLatch(1);
    var bytes = new long[1];
    client
        .longCalls()
        .subscribeFrames(
            fromBeginning(stream),
            new StreamObserver<SubscribeFramesResponse>() {
              @Override
              public void onNext(SubscribeFramesResponse answer) {
                if (answer.hasFrame()) {
                  bytes[0] += answer.getFrame().getFrame().getPictures(0).getData().size();
                }
              }

              @Override
              public void onError(Throwable error) {
                error.printStackTrace();
                done.countDown();
              }

              @Override
              public void onCompleted() {
                done.countDown();
              }
            });
    done.await();
    check(bytes[0]);
  }

  private void check(long bytes) {
    if (bytes != (long) count * picture.size()) {
      throw new IllegalStateException(bytes + " bytes arrived");
    }
  }
}
