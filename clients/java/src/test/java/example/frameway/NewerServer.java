package example.frameway;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnknownFieldSet;
import example.frameway.v1.DeliveredFrame;
import example.frameway.v1.DeliveredGap;
import example.frameway.v1.FrameAccepted;
import example.frameway.v1.FrameResult;
import example.frameway.v1.Gap;
import example.frameway.v1.GapCause;
import example.frameway.v1.ItemError;
import example.frameway.v1.ProcessedFrame;
import example.frameway.v1.StreamingServiceGrpc;
import example.frameway.v1.SubmitBatchResult;
import example.frameway.v1.SubmitFramesRequest;
import example.frameway.v1.SubmitFramesResponse;
import example.frameway.v1.SubmitReady;
import example.frameway.v1.SubscribeFramesRequest;
import example.frameway.v1.SubscribeFramesResponse;
import io.grpc.Server;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.atomic.AtomicInteger;

/** A server of a newer contract: it sends outcomes, events and reasons that do not exist yet. */
final class NewerServer extends StreamingServiceGrpc.StreamingServiceImplBase
    implements AutoCloseable {
  private static final UnknownFieldSet UNKNOWN =
      UnknownFieldSet.newBuilder()
          .addField(
              99, UnknownFieldSet.Field.newBuilder().addLengthDelimited(ByteString.EMPTY).build())
          .build();

  private final AtomicInteger batches = new AtomicInteger();
  private final Server server;

  NewerServer() throws IOException {
    var any = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    server = NettyServerBuilder.forAddress(any).addService(this).build().start();
  }

  String address() {
    return "127.0.0.1:" + server.getPort();
  }

  int batches() {
    return batches.get();
  }

  @Override
  public StreamObserver<SubmitFramesRequest> submitFrames(
      StreamObserver<SubmitFramesResponse> answers) {
    return new StreamObserver<>() {
      @Override
      public void onNext(SubmitFramesRequest request) {
        if (request.hasSetup()) {
          var ready =
              SubmitReady.newBuilder()
                  .setMaxBatchFrames(100)
                  .setMaxMessageBytes(32 << 20)
                  .setMaxInFlightBatches(16)
                  .setMaxInFlightBytes(64 << 20);
          request
              .getSetup()
              .getResumeStreamIdsList()
              .forEach(id -> ready.addPositionsBuilder().setStreamId(id));
          answers.onNext(SubmitFramesResponse.newBuilder().setUnknownFields(UNKNOWN).build());
          answers.onNext(SubmitFramesResponse.newBuilder().setReady(ready).build());
          return;
        }
        var result =
            switch (batches.incrementAndGet()) {
              case 1 -> FrameResult.newBuilder().setUnknownFields(UNKNOWN);
              case 2 ->
                  FrameResult.newBuilder().setAccepted(FrameAccepted.newBuilder().setSequence(1));
              default ->
                  FrameResult.newBuilder()
                      .setRejected(ItemError.newBuilder().setReasonValue(9_999));
            };
        var batch =
            SubmitBatchResult.newBuilder()
                .setBatchId(request.getBatch().getBatchId())
                .addResults(result);
        answers.onNext(SubmitFramesResponse.newBuilder().setBatchResult(batch).build());
      }

      @Override
      public void onError(Throwable cancelled) {}

      @Override
      public void onCompleted() {
        answers.onCompleted();
      }
    };
  }

  @Override
  public void subscribeFrames(
      SubscribeFramesRequest request, StreamObserver<SubscribeFramesResponse> answers) {
    var gap =
        Gap.newBuilder()
            .setStreamId("cam")
            .setFromSequence(1)
            .setToSequence(2)
            .addCauses(GapCause.newBuilder().setReasonValue(77).setCount(2));
    var frame = ProcessedFrame.newBuilder().setStreamId("cam").setSequence(3);
    answers.onNext(SubscribeFramesResponse.newBuilder().setUnknownFields(UNKNOWN).build());
    answers.onNext(
        SubscribeFramesResponse.newBuilder().setGap(DeliveredGap.newBuilder().setGap(gap)).build());
    answers.onNext(
        SubscribeFramesResponse.newBuilder()
            .setFrame(DeliveredFrame.newBuilder().setFrame(frame))
            .build());
    answers.onCompleted();
  }

  @Override
  public void close() {
    server.shutdownNow();
  }
}
