package example.frameway.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Reads, replays and discards dead letters. For words, errors, unknown values and retries see StreamingService. Every RPC that
 * changes something writes an audit line with the caller and the reason.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class DeadLetterServiceGrpc {

  private DeadLetterServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "frameway.v1.DeadLetterService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.ListDeadLettersRequest,
      example.frameway.v1.ListDeadLettersResponse> getListDeadLettersMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListDeadLetters",
      requestType = example.frameway.v1.ListDeadLettersRequest.class,
      responseType = example.frameway.v1.ListDeadLettersResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.ListDeadLettersRequest,
      example.frameway.v1.ListDeadLettersResponse> getListDeadLettersMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.ListDeadLettersRequest, example.frameway.v1.ListDeadLettersResponse> getListDeadLettersMethod;
    if ((getListDeadLettersMethod = DeadLetterServiceGrpc.getListDeadLettersMethod) == null) {
      synchronized (DeadLetterServiceGrpc.class) {
        if ((getListDeadLettersMethod = DeadLetterServiceGrpc.getListDeadLettersMethod) == null) {
          DeadLetterServiceGrpc.getListDeadLettersMethod = getListDeadLettersMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.ListDeadLettersRequest, example.frameway.v1.ListDeadLettersResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListDeadLetters"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ListDeadLettersRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ListDeadLettersResponse.getDefaultInstance()))
              .setSchemaDescriptor(new DeadLetterServiceMethodDescriptorSupplier("ListDeadLetters"))
              .build();
        }
      }
    }
    return getListDeadLettersMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.GetDeadLetterRequest,
      example.frameway.v1.GetDeadLetterResponse> getGetDeadLetterMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetDeadLetter",
      requestType = example.frameway.v1.GetDeadLetterRequest.class,
      responseType = example.frameway.v1.GetDeadLetterResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.GetDeadLetterRequest,
      example.frameway.v1.GetDeadLetterResponse> getGetDeadLetterMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.GetDeadLetterRequest, example.frameway.v1.GetDeadLetterResponse> getGetDeadLetterMethod;
    if ((getGetDeadLetterMethod = DeadLetterServiceGrpc.getGetDeadLetterMethod) == null) {
      synchronized (DeadLetterServiceGrpc.class) {
        if ((getGetDeadLetterMethod = DeadLetterServiceGrpc.getGetDeadLetterMethod) == null) {
          DeadLetterServiceGrpc.getGetDeadLetterMethod = getGetDeadLetterMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.GetDeadLetterRequest, example.frameway.v1.GetDeadLetterResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetDeadLetter"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.GetDeadLetterRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.GetDeadLetterResponse.getDefaultInstance()))
              .setSchemaDescriptor(new DeadLetterServiceMethodDescriptorSupplier("GetDeadLetter"))
              .build();
        }
      }
    }
    return getGetDeadLetterMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.ReplayDeadLettersRequest,
      example.frameway.v1.ReplayDeadLettersResponse> getReplayDeadLettersMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ReplayDeadLetters",
      requestType = example.frameway.v1.ReplayDeadLettersRequest.class,
      responseType = example.frameway.v1.ReplayDeadLettersResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.ReplayDeadLettersRequest,
      example.frameway.v1.ReplayDeadLettersResponse> getReplayDeadLettersMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.ReplayDeadLettersRequest, example.frameway.v1.ReplayDeadLettersResponse> getReplayDeadLettersMethod;
    if ((getReplayDeadLettersMethod = DeadLetterServiceGrpc.getReplayDeadLettersMethod) == null) {
      synchronized (DeadLetterServiceGrpc.class) {
        if ((getReplayDeadLettersMethod = DeadLetterServiceGrpc.getReplayDeadLettersMethod) == null) {
          DeadLetterServiceGrpc.getReplayDeadLettersMethod = getReplayDeadLettersMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.ReplayDeadLettersRequest, example.frameway.v1.ReplayDeadLettersResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ReplayDeadLetters"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ReplayDeadLettersRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ReplayDeadLettersResponse.getDefaultInstance()))
              .setSchemaDescriptor(new DeadLetterServiceMethodDescriptorSupplier("ReplayDeadLetters"))
              .build();
        }
      }
    }
    return getReplayDeadLettersMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.DiscardDeadLettersRequest,
      example.frameway.v1.DiscardDeadLettersResponse> getDiscardDeadLettersMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "DiscardDeadLetters",
      requestType = example.frameway.v1.DiscardDeadLettersRequest.class,
      responseType = example.frameway.v1.DiscardDeadLettersResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.DiscardDeadLettersRequest,
      example.frameway.v1.DiscardDeadLettersResponse> getDiscardDeadLettersMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.DiscardDeadLettersRequest, example.frameway.v1.DiscardDeadLettersResponse> getDiscardDeadLettersMethod;
    if ((getDiscardDeadLettersMethod = DeadLetterServiceGrpc.getDiscardDeadLettersMethod) == null) {
      synchronized (DeadLetterServiceGrpc.class) {
        if ((getDiscardDeadLettersMethod = DeadLetterServiceGrpc.getDiscardDeadLettersMethod) == null) {
          DeadLetterServiceGrpc.getDiscardDeadLettersMethod = getDiscardDeadLettersMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.DiscardDeadLettersRequest, example.frameway.v1.DiscardDeadLettersResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "DiscardDeadLetters"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.DiscardDeadLettersRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.DiscardDeadLettersResponse.getDefaultInstance()))
              .setSchemaDescriptor(new DeadLetterServiceMethodDescriptorSupplier("DiscardDeadLetters"))
              .build();
        }
      }
    }
    return getDiscardDeadLettersMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static DeadLetterServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<DeadLetterServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<DeadLetterServiceStub>() {
        @java.lang.Override
        public DeadLetterServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new DeadLetterServiceStub(channel, callOptions);
        }
      };
    return DeadLetterServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static DeadLetterServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<DeadLetterServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<DeadLetterServiceBlockingV2Stub>() {
        @java.lang.Override
        public DeadLetterServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new DeadLetterServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return DeadLetterServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static DeadLetterServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<DeadLetterServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<DeadLetterServiceBlockingStub>() {
        @java.lang.Override
        public DeadLetterServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new DeadLetterServiceBlockingStub(channel, callOptions);
        }
      };
    return DeadLetterServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static DeadLetterServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<DeadLetterServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<DeadLetterServiceFutureStub>() {
        @java.lang.Override
        public DeadLetterServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new DeadLetterServiceFutureStub(channel, callOptions);
        }
      };
    return DeadLetterServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Reads, replays and discards dead letters. For words, errors, unknown values and retries see StreamingService. Every RPC that
   * changes something writes an audit line with the caller and the reason.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Reads dead letters in pages, without the bytes of their pictures.
     * - Ordering: newest first.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    default void listDeadLetters(example.frameway.v1.ListDeadLettersRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ListDeadLettersResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListDeadLettersMethod(), responseObserver);
    }

    /**
     * <pre>
     * Reads one dead letter with its picture. For a caller that may not read the originals of the stream, the picture is omitted
     * (NOT_PERMITTED).
     * - Ordering: none.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (DEAD_LETTER_NOT_FOUND).
     * </pre>
     */
    default void getDeadLetter(example.frameway.v1.GetDeadLetterRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.GetDeadLetterResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetDeadLetterMethod(), responseObserver);
    }

    /**
     * <pre>
     * Replays dead letters, each once. The frame of a worker's dead letter is accepted as a new frame (`replayed_from`). The
     * frame of a group's dead letter returns to that group alone: it is delivered under its own sequence, from attempt 1, even
     * if the output no longer has it.
     * - Ordering: within a stream in the order of sequences.
     * - Retry: safe with `ids`: a repeat returns the same results, or, after discard_replayed, DEAD_LETTER_NOT_FOUND. By filter or
     *   `all`, a repeat continues with the next ones, and tries the refused ones again: exclude them by the filter, or discard
     *   them. If a server dies during a replay to a group, a repeat may deliver an acknowledged frame again.
     * - Status: OK with a result for each dead letter. INVALID_ARGUMENT (FILTER_INVALID, TOO_MANY_ITEMS).
     * </pre>
     */
    default void replayDeadLetters(example.frameway.v1.ReplayDeadLettersRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ReplayDeadLettersResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getReplayDeadLettersMethod(), responseObserver);
    }

    /**
     * <pre>
     * Removes dead letters with their pictures.
     * - Ordering: none.
     * - Retry: safe with `ids`: those that are gone answer DEAD_LETTER_NOT_FOUND. By filter or `all`, a repeat continues with
     *   the next ones.
     * - Status: OK with a result for each dead letter. INVALID_ARGUMENT (FILTER_INVALID, TOO_MANY_ITEMS).
     * </pre>
     */
    default void discardDeadLetters(example.frameway.v1.DiscardDeadLettersRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.DiscardDeadLettersResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getDiscardDeadLettersMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service DeadLetterService.
   * <pre>
   * Reads, replays and discards dead letters. For words, errors, unknown values and retries see StreamingService. Every RPC that
   * changes something writes an audit line with the caller and the reason.
   * </pre>
   */
  public static abstract class DeadLetterServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return DeadLetterServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service DeadLetterService.
   * <pre>
   * Reads, replays and discards dead letters. For words, errors, unknown values and retries see StreamingService. Every RPC that
   * changes something writes an audit line with the caller and the reason.
   * </pre>
   */
  public static final class DeadLetterServiceStub
      extends io.grpc.stub.AbstractAsyncStub<DeadLetterServiceStub> {
    private DeadLetterServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected DeadLetterServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new DeadLetterServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Reads dead letters in pages, without the bytes of their pictures.
     * - Ordering: newest first.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public void listDeadLetters(example.frameway.v1.ListDeadLettersRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ListDeadLettersResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListDeadLettersMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Reads one dead letter with its picture. For a caller that may not read the originals of the stream, the picture is omitted
     * (NOT_PERMITTED).
     * - Ordering: none.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (DEAD_LETTER_NOT_FOUND).
     * </pre>
     */
    public void getDeadLetter(example.frameway.v1.GetDeadLetterRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.GetDeadLetterResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetDeadLetterMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Replays dead letters, each once. The frame of a worker's dead letter is accepted as a new frame (`replayed_from`). The
     * frame of a group's dead letter returns to that group alone: it is delivered under its own sequence, from attempt 1, even
     * if the output no longer has it.
     * - Ordering: within a stream in the order of sequences.
     * - Retry: safe with `ids`: a repeat returns the same results, or, after discard_replayed, DEAD_LETTER_NOT_FOUND. By filter or
     *   `all`, a repeat continues with the next ones, and tries the refused ones again: exclude them by the filter, or discard
     *   them. If a server dies during a replay to a group, a repeat may deliver an acknowledged frame again.
     * - Status: OK with a result for each dead letter. INVALID_ARGUMENT (FILTER_INVALID, TOO_MANY_ITEMS).
     * </pre>
     */
    public void replayDeadLetters(example.frameway.v1.ReplayDeadLettersRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ReplayDeadLettersResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getReplayDeadLettersMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Removes dead letters with their pictures.
     * - Ordering: none.
     * - Retry: safe with `ids`: those that are gone answer DEAD_LETTER_NOT_FOUND. By filter or `all`, a repeat continues with
     *   the next ones.
     * - Status: OK with a result for each dead letter. INVALID_ARGUMENT (FILTER_INVALID, TOO_MANY_ITEMS).
     * </pre>
     */
    public void discardDeadLetters(example.frameway.v1.DiscardDeadLettersRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.DiscardDeadLettersResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getDiscardDeadLettersMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service DeadLetterService.
   * <pre>
   * Reads, replays and discards dead letters. For words, errors, unknown values and retries see StreamingService. Every RPC that
   * changes something writes an audit line with the caller and the reason.
   * </pre>
   */
  public static final class DeadLetterServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<DeadLetterServiceBlockingV2Stub> {
    private DeadLetterServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected DeadLetterServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new DeadLetterServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Reads dead letters in pages, without the bytes of their pictures.
     * - Ordering: newest first.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public example.frameway.v1.ListDeadLettersResponse listDeadLetters(example.frameway.v1.ListDeadLettersRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListDeadLettersMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads one dead letter with its picture. For a caller that may not read the originals of the stream, the picture is omitted
     * (NOT_PERMITTED).
     * - Ordering: none.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (DEAD_LETTER_NOT_FOUND).
     * </pre>
     */
    public example.frameway.v1.GetDeadLetterResponse getDeadLetter(example.frameway.v1.GetDeadLetterRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetDeadLetterMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Replays dead letters, each once. The frame of a worker's dead letter is accepted as a new frame (`replayed_from`). The
     * frame of a group's dead letter returns to that group alone: it is delivered under its own sequence, from attempt 1, even
     * if the output no longer has it.
     * - Ordering: within a stream in the order of sequences.
     * - Retry: safe with `ids`: a repeat returns the same results, or, after discard_replayed, DEAD_LETTER_NOT_FOUND. By filter or
     *   `all`, a repeat continues with the next ones, and tries the refused ones again: exclude them by the filter, or discard
     *   them. If a server dies during a replay to a group, a repeat may deliver an acknowledged frame again.
     * - Status: OK with a result for each dead letter. INVALID_ARGUMENT (FILTER_INVALID, TOO_MANY_ITEMS).
     * </pre>
     */
    public example.frameway.v1.ReplayDeadLettersResponse replayDeadLetters(example.frameway.v1.ReplayDeadLettersRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getReplayDeadLettersMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Removes dead letters with their pictures.
     * - Ordering: none.
     * - Retry: safe with `ids`: those that are gone answer DEAD_LETTER_NOT_FOUND. By filter or `all`, a repeat continues with
     *   the next ones.
     * - Status: OK with a result for each dead letter. INVALID_ARGUMENT (FILTER_INVALID, TOO_MANY_ITEMS).
     * </pre>
     */
    public example.frameway.v1.DiscardDeadLettersResponse discardDeadLetters(example.frameway.v1.DiscardDeadLettersRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getDiscardDeadLettersMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service DeadLetterService.
   * <pre>
   * Reads, replays and discards dead letters. For words, errors, unknown values and retries see StreamingService. Every RPC that
   * changes something writes an audit line with the caller and the reason.
   * </pre>
   */
  public static final class DeadLetterServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<DeadLetterServiceBlockingStub> {
    private DeadLetterServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected DeadLetterServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new DeadLetterServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Reads dead letters in pages, without the bytes of their pictures.
     * - Ordering: newest first.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public example.frameway.v1.ListDeadLettersResponse listDeadLetters(example.frameway.v1.ListDeadLettersRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListDeadLettersMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads one dead letter with its picture. For a caller that may not read the originals of the stream, the picture is omitted
     * (NOT_PERMITTED).
     * - Ordering: none.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (DEAD_LETTER_NOT_FOUND).
     * </pre>
     */
    public example.frameway.v1.GetDeadLetterResponse getDeadLetter(example.frameway.v1.GetDeadLetterRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetDeadLetterMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Replays dead letters, each once. The frame of a worker's dead letter is accepted as a new frame (`replayed_from`). The
     * frame of a group's dead letter returns to that group alone: it is delivered under its own sequence, from attempt 1, even
     * if the output no longer has it.
     * - Ordering: within a stream in the order of sequences.
     * - Retry: safe with `ids`: a repeat returns the same results, or, after discard_replayed, DEAD_LETTER_NOT_FOUND. By filter or
     *   `all`, a repeat continues with the next ones, and tries the refused ones again: exclude them by the filter, or discard
     *   them. If a server dies during a replay to a group, a repeat may deliver an acknowledged frame again.
     * - Status: OK with a result for each dead letter. INVALID_ARGUMENT (FILTER_INVALID, TOO_MANY_ITEMS).
     * </pre>
     */
    public example.frameway.v1.ReplayDeadLettersResponse replayDeadLetters(example.frameway.v1.ReplayDeadLettersRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getReplayDeadLettersMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Removes dead letters with their pictures.
     * - Ordering: none.
     * - Retry: safe with `ids`: those that are gone answer DEAD_LETTER_NOT_FOUND. By filter or `all`, a repeat continues with
     *   the next ones.
     * - Status: OK with a result for each dead letter. INVALID_ARGUMENT (FILTER_INVALID, TOO_MANY_ITEMS).
     * </pre>
     */
    public example.frameway.v1.DiscardDeadLettersResponse discardDeadLetters(example.frameway.v1.DiscardDeadLettersRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getDiscardDeadLettersMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service DeadLetterService.
   * <pre>
   * Reads, replays and discards dead letters. For words, errors, unknown values and retries see StreamingService. Every RPC that
   * changes something writes an audit line with the caller and the reason.
   * </pre>
   */
  public static final class DeadLetterServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<DeadLetterServiceFutureStub> {
    private DeadLetterServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected DeadLetterServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new DeadLetterServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Reads dead letters in pages, without the bytes of their pictures.
     * - Ordering: newest first.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.ListDeadLettersResponse> listDeadLetters(
        example.frameway.v1.ListDeadLettersRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListDeadLettersMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Reads one dead letter with its picture. For a caller that may not read the originals of the stream, the picture is omitted
     * (NOT_PERMITTED).
     * - Ordering: none.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (DEAD_LETTER_NOT_FOUND).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.GetDeadLetterResponse> getDeadLetter(
        example.frameway.v1.GetDeadLetterRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetDeadLetterMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Replays dead letters, each once. The frame of a worker's dead letter is accepted as a new frame (`replayed_from`). The
     * frame of a group's dead letter returns to that group alone: it is delivered under its own sequence, from attempt 1, even
     * if the output no longer has it.
     * - Ordering: within a stream in the order of sequences.
     * - Retry: safe with `ids`: a repeat returns the same results, or, after discard_replayed, DEAD_LETTER_NOT_FOUND. By filter or
     *   `all`, a repeat continues with the next ones, and tries the refused ones again: exclude them by the filter, or discard
     *   them. If a server dies during a replay to a group, a repeat may deliver an acknowledged frame again.
     * - Status: OK with a result for each dead letter. INVALID_ARGUMENT (FILTER_INVALID, TOO_MANY_ITEMS).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.ReplayDeadLettersResponse> replayDeadLetters(
        example.frameway.v1.ReplayDeadLettersRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getReplayDeadLettersMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Removes dead letters with their pictures.
     * - Ordering: none.
     * - Retry: safe with `ids`: those that are gone answer DEAD_LETTER_NOT_FOUND. By filter or `all`, a repeat continues with
     *   the next ones.
     * - Status: OK with a result for each dead letter. INVALID_ARGUMENT (FILTER_INVALID, TOO_MANY_ITEMS).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.DiscardDeadLettersResponse> discardDeadLetters(
        example.frameway.v1.DiscardDeadLettersRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getDiscardDeadLettersMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_LIST_DEAD_LETTERS = 0;
  private static final int METHODID_GET_DEAD_LETTER = 1;
  private static final int METHODID_REPLAY_DEAD_LETTERS = 2;
  private static final int METHODID_DISCARD_DEAD_LETTERS = 3;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final AsyncService serviceImpl;
    private final int methodId;

    MethodHandlers(AsyncService serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_LIST_DEAD_LETTERS:
          serviceImpl.listDeadLetters((example.frameway.v1.ListDeadLettersRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.ListDeadLettersResponse>) responseObserver);
          break;
        case METHODID_GET_DEAD_LETTER:
          serviceImpl.getDeadLetter((example.frameway.v1.GetDeadLetterRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.GetDeadLetterResponse>) responseObserver);
          break;
        case METHODID_REPLAY_DEAD_LETTERS:
          serviceImpl.replayDeadLetters((example.frameway.v1.ReplayDeadLettersRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.ReplayDeadLettersResponse>) responseObserver);
          break;
        case METHODID_DISCARD_DEAD_LETTERS:
          serviceImpl.discardDeadLetters((example.frameway.v1.DiscardDeadLettersRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.DiscardDeadLettersResponse>) responseObserver);
          break;
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getListDeadLettersMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.ListDeadLettersRequest,
              example.frameway.v1.ListDeadLettersResponse>(
                service, METHODID_LIST_DEAD_LETTERS)))
        .addMethod(
          getGetDeadLetterMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.GetDeadLetterRequest,
              example.frameway.v1.GetDeadLetterResponse>(
                service, METHODID_GET_DEAD_LETTER)))
        .addMethod(
          getReplayDeadLettersMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.ReplayDeadLettersRequest,
              example.frameway.v1.ReplayDeadLettersResponse>(
                service, METHODID_REPLAY_DEAD_LETTERS)))
        .addMethod(
          getDiscardDeadLettersMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.DiscardDeadLettersRequest,
              example.frameway.v1.DiscardDeadLettersResponse>(
                service, METHODID_DISCARD_DEAD_LETTERS)))
        .build();
  }

  private static abstract class DeadLetterServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    DeadLetterServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return example.frameway.v1.DeadLetterServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("DeadLetterService");
    }
  }

  private static final class DeadLetterServiceFileDescriptorSupplier
      extends DeadLetterServiceBaseDescriptorSupplier {
    DeadLetterServiceFileDescriptorSupplier() {}
  }

  private static final class DeadLetterServiceMethodDescriptorSupplier
      extends DeadLetterServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    DeadLetterServiceMethodDescriptorSupplier(java.lang.String methodName) {
      this.methodName = methodName;
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.MethodDescriptor getMethodDescriptor() {
      return getServiceDescriptor().findMethodByName(methodName);
    }
  }

  private static volatile io.grpc.ServiceDescriptor serviceDescriptor;

  public static io.grpc.ServiceDescriptor getServiceDescriptor() {
    io.grpc.ServiceDescriptor result = serviceDescriptor;
    if (result == null) {
      synchronized (DeadLetterServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new DeadLetterServiceFileDescriptorSupplier())
              .addMethod(getListDeadLettersMethod())
              .addMethod(getGetDeadLetterMethod())
              .addMethod(getReplayDeadLettersMethod())
              .addMethod(getDiscardDeadLettersMethod())
              .build();
        }
      }
    }
    return result;
  }
}
