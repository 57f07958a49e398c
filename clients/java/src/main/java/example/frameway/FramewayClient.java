package example.frameway;

import example.frameway.Addresses.Address;
import example.frameway.v1.ConsumerGroupServiceGrpc;
import example.frameway.v1.ConsumerGroupServiceGrpc.ConsumerGroupServiceBlockingStub;
import example.frameway.v1.DeadLetterServiceGrpc;
import example.frameway.v1.DeadLetterServiceGrpc.DeadLetterServiceBlockingStub;
import example.frameway.v1.GetLatestFramesRequest;
import example.frameway.v1.GetServerInfoRequest;
import example.frameway.v1.LatestFrame;
import example.frameway.v1.PictureSelection;
import example.frameway.v1.QueueServiceGrpc;
import example.frameway.v1.QueueServiceGrpc.QueueServiceBlockingStub;
import example.frameway.v1.StreamMatch;
import example.frameway.v1.StreamRegistryServiceGrpc;
import example.frameway.v1.StreamRegistryServiceGrpc.StreamRegistryServiceBlockingStub;
import example.frameway.v1.StreamSelector;
import example.frameway.v1.StreamingServiceGrpc;
import example.frameway.v1.StreamingServiceGrpc.StreamingServiceBlockingStub;
import example.frameway.v1.StreamingServiceGrpc.StreamingServiceStub;
import example.frameway.v1.SubscribeFramesRequest;
import io.grpc.ChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;

/**
 * A connection to Frameway. It is safe to use from several threads.
 *
 * <p>It has two connections to a server: one for long calls, the other for calls with a single
 * answer. The number of calls on a connection is limited, so that long calls alone could use it up.
 */
public final class FramewayClient implements AutoCloseable {
  private final Builder options;
  private final ManagedChannel longCalls;
  private final ManagedChannel singleCalls;
  private final Map<Object, Runnable> open = new ConcurrentHashMap<>();

  private FramewayClient(Builder options) {
    this.options = options;
    longCalls = Channels.forLongCalls(options);
    singleCalls = Channels.forSingleCalls(options);
  }

  /**
   * Returns a builder.
   *
   * @return a builder for {@code 127.0.0.1:7400} without TLS
   */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Prepares a publisher.
   *
   * @param publisherId the name of the program that submits the frames; it must be the same after a
   *     restart, and no other program may use it at the same time
   * @return a builder, whose {@code open} begins
   */
  public Publisher.Builder publisher(String publisherId) {
    return new Publisher.Builder(this, publisherId);
  }

  /**
   * Follows streams from their next frame on.
   *
   * @param streams the ids of the streams, or patterns such as {@code north-*}
   * @return the subscription
   */
  public Subscription subscribe(String... streams) {
    var selector = StreamSelector.newBuilder();
    for (var stream : streams) {
      var isPattern = stream.matches(".*[*?\\[{].*");
      var match = StreamMatch.newBuilder();
      selector.addStreams(isPattern ? match.setGlob(stream) : match.setId(stream));
    }
    return subscribe(SubscribeFramesRequest.newBuilder().addSelectors(selector).build());
  }

  /**
   * Follows streams.
   *
   * @param request the streams, their starts and everything else that the contract offers. {@code
   *     stop_after_frames} counts over all connections, {@code stop.frame_count} and {@code
   *     stop_at_head} begin again with each
   * @return the subscription
   */
  public Subscription subscribe(SubscribeFramesRequest request) {
    return new Subscription(this, request, null);
  }

  /**
   * Follows streams after the cursors of a store; without cursors there, from the start in the
   * request.
   *
   * @param request the streams and everything else that the contract offers
   * @param store the store of the cursors, which are stored at most every second, and on {@code
   *     close}
   * @return the subscription
   * @throws FramewayException if the cursors cannot be read
   */
  public Subscription subscribe(SubscribeFramesRequest request, CursorStore store) {
    return new Subscription(this, request, store);
  }

  /**
   * Prepares a member of a consumer group.
   *
   * @param groupId the group, which exists
   * @return a builder, whose {@code start} joins the group
   */
  public GroupConsumer.Builder consumer(String groupId) {
    return new GroupConsumer.Builder(this, groupId);
  }

  /**
   * Joins a consumer group with the default settings.
   *
   * @param groupId the group, which exists
   * @param handler the code that handles a frame
   * @return the consumer
   */
  public GroupConsumer consume(String groupId, GroupConsumer.Handler handler) {
    return consumer(groupId).start(handler);
  }

  /**
   * Reads the newest frame of each stream.
   *
   * @param streamIds 1 to 100 streams
   * @return one result for each stream, in the same order: the frame, or the reason that there is
   *     none
   */
  public List<LatestFrame> latest(String... streamIds) {
    var request = GetLatestFramesRequest.newBuilder().addAllStreamIds(Arrays.asList(streamIds));
    request.setPictures(bounded(PictureSelection.getDefaultInstance()));
    return call(() -> streaming().getLatestFrames(request.build())).getResultsList();
  }

  /**
   * Makes a call with a generated stub, and turns its exception into a {@link FramewayException}.
   *
   * @param <T> the type of the answer
   * @param call the call
   * @return the answer
   * @throws FramewayException if the call fails
   */
  public <T> T call(Supplier<T> call) {
    try {
      return call.get();
    } catch (StatusRuntimeException failed) {
      throw FramewayException.of(failed, server());
    }
  }

  /**
   * Returns the stub for single calls about frames.
   *
   * @return the generated stub
   */
  public StreamingServiceBlockingStub streaming() {
    return StreamingServiceGrpc.newBlockingStub(singleCalls);
  }

  /**
   * Returns the stub that registers streams.
   *
   * @return the generated stub
   */
  public StreamRegistryServiceBlockingStub registry() {
    return StreamRegistryServiceGrpc.newBlockingStub(singleCalls);
  }

  /**
   * Returns the stub that manages consumer groups.
   *
   * @return the generated stub
   */
  public ConsumerGroupServiceBlockingStub groups() {
    return ConsumerGroupServiceGrpc.newBlockingStub(singleCalls);
  }

  /**
   * Returns the stub that lists and replays dead letters.
   *
   * @return the generated stub
   */
  public DeadLetterServiceBlockingStub deadLetters() {
    return DeadLetterServiceGrpc.newBlockingStub(singleCalls);
  }

  /**
   * Returns the stub that shows and operates the work queues.
   *
   * @return the generated stub
   */
  public QueueServiceBlockingStub queues() {
    return QueueServiceGrpc.newBlockingStub(singleCalls);
  }

  /**
   * Returns the stub for long calls. A subscription, a publisher and a consumer use it.
   *
   * @return the generated stub
   */
  public StreamingServiceStub longCalls() {
    return StreamingServiceGrpc.newStub(longCalls);
  }

  /**
   * Ends every subscription, publisher and consumer at once, and closes the connections.
   *
   * @throws FramewayException if cursors cannot be stored; everything is closed all the same
   */
  @Override
  public void close() {
    FramewayException failure = null;
    for (var end : List.copyOf(open.values())) {
      try {
        end.run();
      } catch (FramewayException failed) {
        failure = failed;
      }
    }
    longCalls.shutdownNow();
    singleCalls.shutdownNow();
    if (failure != null) {
      throw failure;
    }
  }

  /** Remembers how something that was opened is ended at once. */
  void opened(Object one, Runnable end) {
    open.put(one, end);
  }

  void closed(Object one) {
    open.remove(one);
  }

  String server() {
    return options.server();
  }

  /** Returns whether the connections are closed. */
  boolean isTerminated() {
    return longCalls.isTerminated() && singleCalls.isTerminated();
  }

  Duration patience() {
    return options.patience;
  }

  /** Bounds the pictures of a message, so that it is within the maximum that is received. */
  PictureSelection bounded(PictureSelection pictures) {
    var most = options.maxMessageBytes - options.maxMessageBytes / 32;
    return pictures.hasMaxPictureBytes()
        ? pictures
        : pictures.toBuilder().setMaxPictureBytes(most).build();
  }

  /** The settings of a connection. */
  public static final class Builder {
    List<Address> addresses = List.of(Address.parse("127.0.0.1:7400"));
    ChannelCredentials tls;
    Supplier<String> token;
    private boolean isPlaintextAllowed;
    int maxMessageBytes = 32 << 20;
    Duration timeout;
    private Duration patience = Duration.ofSeconds(60);

    private Builder() {}

    /**
     * Sets the addresses of the servers. A connection is made to the first that answers.
     *
     * @param hostsAndPorts each {@code HOST:PORT}
     * @return this builder
     */
    public Builder addresses(String... hostsAndPorts) {
      addresses = Arrays.stream(hostsAndPorts).map(Address::parse).toList();
      return this;
    }

    /**
     * Uses TLS, and trusts the authorities of the Java runtime.
     *
     * @return this builder
     */
    public Builder tls() {
      return tls(TlsChannelCredentials.create());
    }

    /**
     * Uses TLS with an authority or a client certificate of your own.
     *
     * @param credentials made with {@link TlsChannelCredentials#newBuilder}
     * @return this builder
     */
    public Builder tls(ChannelCredentials credentials) {
      tls = credentials;
      return this;
    }

    /**
     * Sends an API key with every call. Without TLS, it is sent only to this machine.
     *
     * @param key the key
     * @return this builder
     */
    public Builder apiKey(String key) {
      return token(() -> key);
    }

    /**
     * Sends a token with every call. Without TLS, it is sent only to this machine.
     *
     * @param source returns the token; it is asked for each call, and may block
     * @return this builder
     */
    public Builder token(Supplier<String> source) {
      token = source;
      return this;
    }

    /**
     * Allows a key or token without TLS to other machines. Everyone on the path can read it.
     *
     * @return this builder
     */
    public Builder allowPlaintextCredentials() {
      isPlaintextAllowed = true;
      return this;
    }

    /**
     * Sets the maximum size of a message that is received, 32 MiB if unset.
     *
     * @param bytes the maximum in bytes
     * @return this builder
     */
    public Builder maxMessageBytes(int bytes) {
      maxMessageBytes = bytes;
      return this;
    }

    /**
     * Sets the maximum time of a call with a single answer, with its repetitions. If unset, it is
     * 20 s to 60 s, depending on the call.
     *
     * @param longest the maximum time
     * @return this builder
     */
    public Builder timeout(Duration longest) {
      timeout = longest;
      return this;
    }

    /**
     * Sets the time without progress after which a subscription, a publisher or a consumer gives
     * up, 60 s if unset. Until then they connect again and again, after pauses of up to 30 s.
     *
     * @param longest the time
     * @return this builder
     */
    public Builder patience(Duration longest) {
      patience = longest;
      return this;
    }

    /**
     * Makes a client, which connects with its first call.
     *
     * @return the client
     * @throws IllegalArgumentException if a key or token would be sent to another machine without
     *     TLS
     */
    public FramewayClient build() {
      if (token != null
          && tls == null
          && !isPlaintextAllowed
          && !addresses.stream().allMatch(Address::isLocal)) {
        throw new IllegalArgumentException(
            "a key or token is not sent to "
                + server()
                + " without TLS, where others can read it: use tls(),"
                + " or allowPlaintextCredentials() if you trust the network");
      }
      return new FramewayClient(this);
    }

    /**
     * Makes a client, and asks the server for its state.
     *
     * @return the client
     * @throws FramewayException if no server answers, or the server refuses the credentials
     */
    public FramewayClient connect() {
      var client = build();
      client.longCalls.getState(true);
      try {
        client.call(
            () -> client.streaming().getServerInfo(GetServerInfoRequest.getDefaultInstance()));
        return client;
      } catch (FramewayException failed) {
        client.close();
        throw failed;
      }
    }

    private String server() {
      return String.join(", ", addresses.stream().map(Address::toString).toList());
    }
  }
}
