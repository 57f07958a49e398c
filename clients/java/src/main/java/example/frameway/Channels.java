package example.frameway;

import com.google.gson.Gson;
import com.google.gson.reflect.TypeToken;
import io.grpc.CallCredentials;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.ChannelOption;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;

/** Opens the connections of a client. */
final class Channels {
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  /** The maximum bytes of a call that are received before the program reads them. */
  private static final int WINDOW_BYTES = 4 << 20;

  /** The default of 8 KiB is too small for the details of some errors. */
  private static final int METADATA_BYTES = 64 << 10;

  private Channels() {}

  /** Opens a connection for calls with a single answer, with the retries of the contract. */
  static ManagedChannel forSingleCalls(FramewayClient.Builder options) {
    var channel = channel(options).defaultServiceConfig(serviceConfig());
    if (options.timeout != null) {
      channel.intercept(new WithOptions(call -> call.withDeadlineAfter(options.timeout)));
    }
    return channel.build();
  }

  /** Opens a connection for long calls, which this layer repeats by itself. */
  static ManagedChannel forLongCalls(FramewayClient.Builder options) {
    return channel(options).disableRetry().build();
  }

  // The replacement of nameResolverFactory is a registry that all clients of a program share.
  @SuppressWarnings("deprecation")
  private static NettyChannelBuilder channel(FramewayClient.Builder options) {
    var credentials = options.tls == null ? InsecureChannelCredentials.create() : options.tls;
    var channel =
        NettyChannelBuilder.forTarget("frameway:///servers", credentials)
            .nameResolverFactory(Addresses.factory(options.addresses))
            .maxInboundMessageSize(options.maxMessageBytes)
            .maxInboundMetadataSize(METADATA_BYTES)
            .flowControlWindow(WINDOW_BYTES)
            .withOption(ChannelOption.CONNECT_TIMEOUT_MILLIS, 5_000)
            .keepAliveTime(10, TimeUnit.SECONDS)
            .keepAliveTimeout(5, TimeUnit.SECONDS)
            .keepAliveWithoutCalls(true)
            .userAgent("frameway-java/0.1.0");
    if (options.token != null) {
      channel.intercept(
          new WithOptions(call -> call.withCallCredentials(new Bearer(options.token))));
    }
    return channel;
  }

  private static Map<String, ?> serviceConfig() {
    var json = Objects.requireNonNull(Channels.class.getResourceAsStream("service_config.json"));
    try (var reader = new InputStreamReader(json, StandardCharsets.UTF_8)) {
      return new Gson().fromJson(reader, new TypeToken<Map<String, ?>>() {});
    } catch (IOException impossible) {
      throw new UncheckedIOException(impossible);
    }
  }

  /** Changes the options of every call. */
  private record WithOptions(UnaryOperator<CallOptions> change) implements ClientInterceptor {
    @Override
    public <Q, R> ClientCall<Q, R> interceptCall(
        MethodDescriptor<Q, R> method, CallOptions options, Channel next) {
      return next.newCall(method, change.apply(options));
    }
  }

  /** Sends a key or token with a call. */
  private static final class Bearer extends CallCredentials {
    private final Supplier<String> token;

    Bearer(Supplier<String> token) {
      this.token = token;
    }

    @Override
    public void applyRequestMetadata(RequestInfo call, Executor executor, MetadataApplier applier) {
      executor.execute(
          () -> {
            try {
              var headers = new Metadata();
              headers.put(AUTHORIZATION, "Bearer " + token.get().strip());
              applier.apply(headers);
            } catch (RuntimeException failed) {
              var text = "the source of the token failed: " + failed.getMessage();
              applier.fail(Status.UNAUTHENTICATED.withDescription(text).withCause(failed));
            }
          });
    }
  }
}
