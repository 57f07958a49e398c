package example.frameway.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Manages the streams and their settings. For words, errors, unknown values and retries see StreamingService. Every RPC that
 * changes something writes an audit line with the caller and, where the request has one, the reason.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class StreamRegistryServiceGrpc {

  private StreamRegistryServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "frameway.v1.StreamRegistryService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.RegisterStreamRequest,
      example.frameway.v1.RegisterStreamResponse> getRegisterStreamMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RegisterStream",
      requestType = example.frameway.v1.RegisterStreamRequest.class,
      responseType = example.frameway.v1.RegisterStreamResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.RegisterStreamRequest,
      example.frameway.v1.RegisterStreamResponse> getRegisterStreamMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.RegisterStreamRequest, example.frameway.v1.RegisterStreamResponse> getRegisterStreamMethod;
    if ((getRegisterStreamMethod = StreamRegistryServiceGrpc.getRegisterStreamMethod) == null) {
      synchronized (StreamRegistryServiceGrpc.class) {
        if ((getRegisterStreamMethod = StreamRegistryServiceGrpc.getRegisterStreamMethod) == null) {
          StreamRegistryServiceGrpc.getRegisterStreamMethod = getRegisterStreamMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.RegisterStreamRequest, example.frameway.v1.RegisterStreamResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RegisterStream"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.RegisterStreamRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.RegisterStreamResponse.getDefaultInstance()))
              .setSchemaDescriptor(new StreamRegistryServiceMethodDescriptorSupplier("RegisterStream"))
              .build();
        }
      }
    }
    return getRegisterStreamMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.GetStreamRequest,
      example.frameway.v1.GetStreamResponse> getGetStreamMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetStream",
      requestType = example.frameway.v1.GetStreamRequest.class,
      responseType = example.frameway.v1.GetStreamResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.GetStreamRequest,
      example.frameway.v1.GetStreamResponse> getGetStreamMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.GetStreamRequest, example.frameway.v1.GetStreamResponse> getGetStreamMethod;
    if ((getGetStreamMethod = StreamRegistryServiceGrpc.getGetStreamMethod) == null) {
      synchronized (StreamRegistryServiceGrpc.class) {
        if ((getGetStreamMethod = StreamRegistryServiceGrpc.getGetStreamMethod) == null) {
          StreamRegistryServiceGrpc.getGetStreamMethod = getGetStreamMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.GetStreamRequest, example.frameway.v1.GetStreamResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetStream"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.GetStreamRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.GetStreamResponse.getDefaultInstance()))
              .setSchemaDescriptor(new StreamRegistryServiceMethodDescriptorSupplier("GetStream"))
              .build();
        }
      }
    }
    return getGetStreamMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.ListStreamsRequest,
      example.frameway.v1.ListStreamsResponse> getListStreamsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListStreams",
      requestType = example.frameway.v1.ListStreamsRequest.class,
      responseType = example.frameway.v1.ListStreamsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.ListStreamsRequest,
      example.frameway.v1.ListStreamsResponse> getListStreamsMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.ListStreamsRequest, example.frameway.v1.ListStreamsResponse> getListStreamsMethod;
    if ((getListStreamsMethod = StreamRegistryServiceGrpc.getListStreamsMethod) == null) {
      synchronized (StreamRegistryServiceGrpc.class) {
        if ((getListStreamsMethod = StreamRegistryServiceGrpc.getListStreamsMethod) == null) {
          StreamRegistryServiceGrpc.getListStreamsMethod = getListStreamsMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.ListStreamsRequest, example.frameway.v1.ListStreamsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListStreams"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ListStreamsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ListStreamsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new StreamRegistryServiceMethodDescriptorSupplier("ListStreams"))
              .build();
        }
      }
    }
    return getListStreamsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.UpdateStreamRequest,
      example.frameway.v1.UpdateStreamResponse> getUpdateStreamMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UpdateStream",
      requestType = example.frameway.v1.UpdateStreamRequest.class,
      responseType = example.frameway.v1.UpdateStreamResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.UpdateStreamRequest,
      example.frameway.v1.UpdateStreamResponse> getUpdateStreamMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.UpdateStreamRequest, example.frameway.v1.UpdateStreamResponse> getUpdateStreamMethod;
    if ((getUpdateStreamMethod = StreamRegistryServiceGrpc.getUpdateStreamMethod) == null) {
      synchronized (StreamRegistryServiceGrpc.class) {
        if ((getUpdateStreamMethod = StreamRegistryServiceGrpc.getUpdateStreamMethod) == null) {
          StreamRegistryServiceGrpc.getUpdateStreamMethod = getUpdateStreamMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.UpdateStreamRequest, example.frameway.v1.UpdateStreamResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UpdateStream"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.UpdateStreamRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.UpdateStreamResponse.getDefaultInstance()))
              .setSchemaDescriptor(new StreamRegistryServiceMethodDescriptorSupplier("UpdateStream"))
              .build();
        }
      }
    }
    return getUpdateStreamMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.UnregisterStreamRequest,
      example.frameway.v1.UnregisterStreamResponse> getUnregisterStreamMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UnregisterStream",
      requestType = example.frameway.v1.UnregisterStreamRequest.class,
      responseType = example.frameway.v1.UnregisterStreamResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.UnregisterStreamRequest,
      example.frameway.v1.UnregisterStreamResponse> getUnregisterStreamMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.UnregisterStreamRequest, example.frameway.v1.UnregisterStreamResponse> getUnregisterStreamMethod;
    if ((getUnregisterStreamMethod = StreamRegistryServiceGrpc.getUnregisterStreamMethod) == null) {
      synchronized (StreamRegistryServiceGrpc.class) {
        if ((getUnregisterStreamMethod = StreamRegistryServiceGrpc.getUnregisterStreamMethod) == null) {
          StreamRegistryServiceGrpc.getUnregisterStreamMethod = getUnregisterStreamMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.UnregisterStreamRequest, example.frameway.v1.UnregisterStreamResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UnregisterStream"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.UnregisterStreamRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.UnregisterStreamResponse.getDefaultInstance()))
              .setSchemaDescriptor(new StreamRegistryServiceMethodDescriptorSupplier("UnregisterStream"))
              .build();
        }
      }
    }
    return getUnregisterStreamMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.EraseFramesRequest,
      example.frameway.v1.EraseFramesResponse> getEraseFramesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "EraseFrames",
      requestType = example.frameway.v1.EraseFramesRequest.class,
      responseType = example.frameway.v1.EraseFramesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.EraseFramesRequest,
      example.frameway.v1.EraseFramesResponse> getEraseFramesMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.EraseFramesRequest, example.frameway.v1.EraseFramesResponse> getEraseFramesMethod;
    if ((getEraseFramesMethod = StreamRegistryServiceGrpc.getEraseFramesMethod) == null) {
      synchronized (StreamRegistryServiceGrpc.class) {
        if ((getEraseFramesMethod = StreamRegistryServiceGrpc.getEraseFramesMethod) == null) {
          StreamRegistryServiceGrpc.getEraseFramesMethod = getEraseFramesMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.EraseFramesRequest, example.frameway.v1.EraseFramesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "EraseFrames"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.EraseFramesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.EraseFramesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new StreamRegistryServiceMethodDescriptorSupplier("EraseFrames"))
              .build();
        }
      }
    }
    return getEraseFramesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.WatchStreamsRequest,
      example.frameway.v1.WatchStreamsResponse> getWatchStreamsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "WatchStreams",
      requestType = example.frameway.v1.WatchStreamsRequest.class,
      responseType = example.frameway.v1.WatchStreamsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<example.frameway.v1.WatchStreamsRequest,
      example.frameway.v1.WatchStreamsResponse> getWatchStreamsMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.WatchStreamsRequest, example.frameway.v1.WatchStreamsResponse> getWatchStreamsMethod;
    if ((getWatchStreamsMethod = StreamRegistryServiceGrpc.getWatchStreamsMethod) == null) {
      synchronized (StreamRegistryServiceGrpc.class) {
        if ((getWatchStreamsMethod = StreamRegistryServiceGrpc.getWatchStreamsMethod) == null) {
          StreamRegistryServiceGrpc.getWatchStreamsMethod = getWatchStreamsMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.WatchStreamsRequest, example.frameway.v1.WatchStreamsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "WatchStreams"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.WatchStreamsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.WatchStreamsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new StreamRegistryServiceMethodDescriptorSupplier("WatchStreams"))
              .build();
        }
      }
    }
    return getWatchStreamsMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static StreamRegistryServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<StreamRegistryServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<StreamRegistryServiceStub>() {
        @java.lang.Override
        public StreamRegistryServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new StreamRegistryServiceStub(channel, callOptions);
        }
      };
    return StreamRegistryServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static StreamRegistryServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<StreamRegistryServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<StreamRegistryServiceBlockingV2Stub>() {
        @java.lang.Override
        public StreamRegistryServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new StreamRegistryServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return StreamRegistryServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static StreamRegistryServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<StreamRegistryServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<StreamRegistryServiceBlockingStub>() {
        @java.lang.Override
        public StreamRegistryServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new StreamRegistryServiceBlockingStub(channel, callOptions);
        }
      };
    return StreamRegistryServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static StreamRegistryServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<StreamRegistryServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<StreamRegistryServiceFutureStub>() {
        @java.lang.Override
        public StreamRegistryServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new StreamRegistryServiceFutureStub(channel, callOptions);
        }
      };
    return StreamRegistryServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Manages the streams and their settings. For words, errors, unknown values and retries see StreamingService. Every RPC that
   * changes something writes an audit line with the caller and, where the request has one, the reason.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Registers a stream. If the id was registered before, a new stream begins, and its sequences continue after all that were
     * assigned under the id.
     * - Ordering: frames submitted after the answer are accepted.
     * - Retry: safe. If the id is registered with equal settings, the stored stream is returned.
     * - Status: ALREADY_EXISTS (the settings differ), RESOURCE_EXHAUSTED (TOO_MANY_STREAMS, QUOTA_EXCEEDED).
     * </pre>
     */
    default void registerStream(example.frameway.v1.RegisterStreamRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.RegisterStreamResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRegisterStreamMethod(), responseObserver);
    }

    /**
     * <pre>
     * Reads a stream's settings and status.
     * - Ordering: returns every change that was answered before.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (STREAM_NOT_FOUND).
     * </pre>
     */
    default void getStream(example.frameway.v1.GetStreamRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.GetStreamResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetStreamMethod(), responseObserver);
    }

    /**
     * <pre>
     * Reads the registered streams in pages.
     * - Ordering: by stream id. Streams that are registered or unregistered meanwhile may be missing; no other is missing or
     *   repeated.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    default void listStreams(example.frameway.v1.ListStreamsRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ListStreamsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListStreamsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Changes settings of a stream. They apply to frames accepted after the answer; the ClockPolicy applies about a second
     * later. Frames that wait for a worker may get the old or the new ones.
     * - Ordering: updates that run at the same time apply one after the other.
     * - Retry: send the etag, so that a repeat cannot undo another client's change: it answers ABORTED if the first call took
     *   effect.
     * - Status: NOT_FOUND (STREAM_NOT_FOUND), INVALID_ARGUMENT (UPDATE_MASK_INVALID), ABORTED (ETAG_MISMATCH; without an etag
     *   only if others keep changing the stream), RESOURCE_EXHAUSTED (TOO_MANY_STREAMS: limit_bytes).
     * </pre>
     */
    default void updateStream(example.frameway.v1.UpdateStreamRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.UpdateStreamResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getUpdateStreamMethod(), responseObserver);
    }

    /**
     * <pre>
     * Removes a stream with its settings, its queued frames, its output and its dead letters. After the answer nobody can read
     * any of them, even if the id is registered again; queued frames are not processed; the bytes are removed from the store
     * within seconds, or as soon as a worker runs. Readers get a gap (GAP_REASON_UNREGISTERED). What was sent before the answer
     * may arrive after it.
     * - Ordering: frames submitted after the answer are rejected, or register the stream again if auto_registration is on.
     * - Retry: a repeat answers NOT_FOUND if the first call took effect. Send the etag, so that a repeat cannot remove a stream
     *   that was registered in between.
     * - Status: NOT_FOUND (STREAM_NOT_FOUND), ABORTED (ETAG_MISMATCH).
     * </pre>
     */
    default void unregisterStream(example.frameway.v1.UnregisterStreamRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.UnregisterStreamResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getUnregisterStreamMethod(), responseObserver);
    }

    /**
     * <pre>
     * Erases frames of a stream before retention does: the pictures of kept frames, in every role, and dead letters. A tombstone
     * takes the place of each frame that was processed or failed (TOMBSTONE_OUTCOME_ERASED), and readers get a gap
     * (GAP_REASON_ERASED); dropped and purged frames stay as they are. Frames of the range that wait for a worker, or are being
     * processed, become such tombstones when it is their turn; their pictures are not published.
     * After the answer no server sends the pictures, and they are removed from the store, but for those of frames that still
     * wait, which nobody can read. Frames that a consumer group has outstanding, or has yet to deliver, are gaps for it as well.
     * Pictures that were sent before the answer may arrive after it. A frame that was submitted again or replayed has another
     * sequence and is another frame.
     * The server stores what is to be erased, the worker that has the stream carries it out, and its successor continues if it
     * stops. The call waits for that, and then until all servers have dropped the pictures from their memory: about 3 s.
     * - Ordering: frames accepted after the call are not touched, even if they are in the range.
     * - Retry: safe. A repeat finds what was erased before in already_erased_frames, and erases the frames of the range that were
     *   accepted in between.
     * - Status: NOT_FOUND (STREAM_NOT_FOUND), UNAVAILABLE (ERASURE_PENDING: what is stored will be erased as soon as a worker runs,
     *   and until a repeat answers, pictures may still be sent; BACKEND_UNAVAILABLE, also while a server or worker of a version
     *   without this call uses the store: nothing was stored), INVALID_ARGUMENT (TOO_MANY_ITEMS: 64 erased ranges that do not
     *   touch are kept of a stream).
     * </pre>
     */
    default void eraseFrames(example.frameway.v1.EraseFramesRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.EraseFramesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getEraseFramesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Sends the registered streams, and then every change.
     * - Ordering: changes of one stream are sent in the order in which they happened. Of several quick changes, only the last
     *   may be sent.
     * - Retry: safe. Resume after the last resume_token that was handled. A token that is too old, from before a failover, or of
     *   another store starts with a new snapshot.
     * - Status: RESOURCE_EXHAUSTED (TOO_MANY_SUBSCRIPTIONS), UNAVAILABLE when the server drains.
     * </pre>
     */
    default void watchStreams(example.frameway.v1.WatchStreamsRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.WatchStreamsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getWatchStreamsMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service StreamRegistryService.
   * <pre>
   * Manages the streams and their settings. For words, errors, unknown values and retries see StreamingService. Every RPC that
   * changes something writes an audit line with the caller and, where the request has one, the reason.
   * </pre>
   */
  public static abstract class StreamRegistryServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return StreamRegistryServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service StreamRegistryService.
   * <pre>
   * Manages the streams and their settings. For words, errors, unknown values and retries see StreamingService. Every RPC that
   * changes something writes an audit line with the caller and, where the request has one, the reason.
   * </pre>
   */
  public static final class StreamRegistryServiceStub
      extends io.grpc.stub.AbstractAsyncStub<StreamRegistryServiceStub> {
    private StreamRegistryServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected StreamRegistryServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new StreamRegistryServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Registers a stream. If the id was registered before, a new stream begins, and its sequences continue after all that were
     * assigned under the id.
     * - Ordering: frames submitted after the answer are accepted.
     * - Retry: safe. If the id is registered with equal settings, the stored stream is returned.
     * - Status: ALREADY_EXISTS (the settings differ), RESOURCE_EXHAUSTED (TOO_MANY_STREAMS, QUOTA_EXCEEDED).
     * </pre>
     */
    public void registerStream(example.frameway.v1.RegisterStreamRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.RegisterStreamResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRegisterStreamMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Reads a stream's settings and status.
     * - Ordering: returns every change that was answered before.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (STREAM_NOT_FOUND).
     * </pre>
     */
    public void getStream(example.frameway.v1.GetStreamRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.GetStreamResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetStreamMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Reads the registered streams in pages.
     * - Ordering: by stream id. Streams that are registered or unregistered meanwhile may be missing; no other is missing or
     *   repeated.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public void listStreams(example.frameway.v1.ListStreamsRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ListStreamsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListStreamsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Changes settings of a stream. They apply to frames accepted after the answer; the ClockPolicy applies about a second
     * later. Frames that wait for a worker may get the old or the new ones.
     * - Ordering: updates that run at the same time apply one after the other.
     * - Retry: send the etag, so that a repeat cannot undo another client's change: it answers ABORTED if the first call took
     *   effect.
     * - Status: NOT_FOUND (STREAM_NOT_FOUND), INVALID_ARGUMENT (UPDATE_MASK_INVALID), ABORTED (ETAG_MISMATCH; without an etag
     *   only if others keep changing the stream), RESOURCE_EXHAUSTED (TOO_MANY_STREAMS: limit_bytes).
     * </pre>
     */
    public void updateStream(example.frameway.v1.UpdateStreamRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.UpdateStreamResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getUpdateStreamMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Removes a stream with its settings, its queued frames, its output and its dead letters. After the answer nobody can read
     * any of them, even if the id is registered again; queued frames are not processed; the bytes are removed from the store
     * within seconds, or as soon as a worker runs. Readers get a gap (GAP_REASON_UNREGISTERED). What was sent before the answer
     * may arrive after it.
     * - Ordering: frames submitted after the answer are rejected, or register the stream again if auto_registration is on.
     * - Retry: a repeat answers NOT_FOUND if the first call took effect. Send the etag, so that a repeat cannot remove a stream
     *   that was registered in between.
     * - Status: NOT_FOUND (STREAM_NOT_FOUND), ABORTED (ETAG_MISMATCH).
     * </pre>
     */
    public void unregisterStream(example.frameway.v1.UnregisterStreamRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.UnregisterStreamResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getUnregisterStreamMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Erases frames of a stream before retention does: the pictures of kept frames, in every role, and dead letters. A tombstone
     * takes the place of each frame that was processed or failed (TOMBSTONE_OUTCOME_ERASED), and readers get a gap
     * (GAP_REASON_ERASED); dropped and purged frames stay as they are. Frames of the range that wait for a worker, or are being
     * processed, become such tombstones when it is their turn; their pictures are not published.
     * After the answer no server sends the pictures, and they are removed from the store, but for those of frames that still
     * wait, which nobody can read. Frames that a consumer group has outstanding, or has yet to deliver, are gaps for it as well.
     * Pictures that were sent before the answer may arrive after it. A frame that was submitted again or replayed has another
     * sequence and is another frame.
     * The server stores what is to be erased, the worker that has the stream carries it out, and its successor continues if it
     * stops. The call waits for that, and then until all servers have dropped the pictures from their memory: about 3 s.
     * - Ordering: frames accepted after the call are not touched, even if they are in the range.
     * - Retry: safe. A repeat finds what was erased before in already_erased_frames, and erases the frames of the range that were
     *   accepted in between.
     * - Status: NOT_FOUND (STREAM_NOT_FOUND), UNAVAILABLE (ERASURE_PENDING: what is stored will be erased as soon as a worker runs,
     *   and until a repeat answers, pictures may still be sent; BACKEND_UNAVAILABLE, also while a server or worker of a version
     *   without this call uses the store: nothing was stored), INVALID_ARGUMENT (TOO_MANY_ITEMS: 64 erased ranges that do not
     *   touch are kept of a stream).
     * </pre>
     */
    public void eraseFrames(example.frameway.v1.EraseFramesRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.EraseFramesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getEraseFramesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Sends the registered streams, and then every change.
     * - Ordering: changes of one stream are sent in the order in which they happened. Of several quick changes, only the last
     *   may be sent.
     * - Retry: safe. Resume after the last resume_token that was handled. A token that is too old, from before a failover, or of
     *   another store starts with a new snapshot.
     * - Status: RESOURCE_EXHAUSTED (TOO_MANY_SUBSCRIPTIONS), UNAVAILABLE when the server drains.
     * </pre>
     */
    public void watchStreams(example.frameway.v1.WatchStreamsRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.WatchStreamsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getWatchStreamsMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service StreamRegistryService.
   * <pre>
   * Manages the streams and their settings. For words, errors, unknown values and retries see StreamingService. Every RPC that
   * changes something writes an audit line with the caller and, where the request has one, the reason.
   * </pre>
   */
  public static final class StreamRegistryServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<StreamRegistryServiceBlockingV2Stub> {
    private StreamRegistryServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected StreamRegistryServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new StreamRegistryServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Registers a stream. If the id was registered before, a new stream begins, and its sequences continue after all that were
     * assigned under the id.
     * - Ordering: frames submitted after the answer are accepted.
     * - Retry: safe. If the id is registered with equal settings, the stored stream is returned.
     * - Status: ALREADY_EXISTS (the settings differ), RESOURCE_EXHAUSTED (TOO_MANY_STREAMS, QUOTA_EXCEEDED).
     * </pre>
     */
    public example.frameway.v1.RegisterStreamResponse registerStream(example.frameway.v1.RegisterStreamRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRegisterStreamMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads a stream's settings and status.
     * - Ordering: returns every change that was answered before.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (STREAM_NOT_FOUND).
     * </pre>
     */
    public example.frameway.v1.GetStreamResponse getStream(example.frameway.v1.GetStreamRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetStreamMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads the registered streams in pages.
     * - Ordering: by stream id. Streams that are registered or unregistered meanwhile may be missing; no other is missing or
     *   repeated.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public example.frameway.v1.ListStreamsResponse listStreams(example.frameway.v1.ListStreamsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListStreamsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes settings of a stream. They apply to frames accepted after the answer; the ClockPolicy applies about a second
     * later. Frames that wait for a worker may get the old or the new ones.
     * - Ordering: updates that run at the same time apply one after the other.
     * - Retry: send the etag, so that a repeat cannot undo another client's change: it answers ABORTED if the first call took
     *   effect.
     * - Status: NOT_FOUND (STREAM_NOT_FOUND), INVALID_ARGUMENT (UPDATE_MASK_INVALID), ABORTED (ETAG_MISMATCH; without an etag
     *   only if others keep changing the stream), RESOURCE_EXHAUSTED (TOO_MANY_STREAMS: limit_bytes).
     * </pre>
     */
    public example.frameway.v1.UpdateStreamResponse updateStream(example.frameway.v1.UpdateStreamRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getUpdateStreamMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Removes a stream with its settings, its queued frames, its output and its dead letters. After the answer nobody can read
     * any of them, even if the id is registered again; queued frames are not processed; the bytes are removed from the store
     * within seconds, or as soon as a worker runs. Readers get a gap (GAP_REASON_UNREGISTERED). What was sent before the answer
     * may arrive after it.
     * - Ordering: frames submitted after the answer are rejected, or register the stream again if auto_registration is on.
     * - Retry: a repeat answers NOT_FOUND if the first call took effect. Send the etag, so that a repeat cannot remove a stream
     *   that was registered in between.
     * - Status: NOT_FOUND (STREAM_NOT_FOUND), ABORTED (ETAG_MISMATCH).
     * </pre>
     */
    public example.frameway.v1.UnregisterStreamResponse unregisterStream(example.frameway.v1.UnregisterStreamRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getUnregisterStreamMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Erases frames of a stream before retention does: the pictures of kept frames, in every role, and dead letters. A tombstone
     * takes the place of each frame that was processed or failed (TOMBSTONE_OUTCOME_ERASED), and readers get a gap
     * (GAP_REASON_ERASED); dropped and purged frames stay as they are. Frames of the range that wait for a worker, or are being
     * processed, become such tombstones when it is their turn; their pictures are not published.
     * After the answer no server sends the pictures, and they are removed from the store, but for those of frames that still
     * wait, which nobody can read. Frames that a consumer group has outstanding, or has yet to deliver, are gaps for it as well.
     * Pictures that were sent before the answer may arrive after it. A frame that was submitted again or replayed has another
     * sequence and is another frame.
     * The server stores what is to be erased, the worker that has the stream carries it out, and its successor continues if it
     * stops. The call waits for that, and then until all servers have dropped the pictures from their memory: about 3 s.
     * - Ordering: frames accepted after the call are not touched, even if they are in the range.
     * - Retry: safe. A repeat finds what was erased before in already_erased_frames, and erases the frames of the range that were
     *   accepted in between.
     * - Status: NOT_FOUND (STREAM_NOT_FOUND), UNAVAILABLE (ERASURE_PENDING: what is stored will be erased as soon as a worker runs,
     *   and until a repeat answers, pictures may still be sent; BACKEND_UNAVAILABLE, also while a server or worker of a version
     *   without this call uses the store: nothing was stored), INVALID_ARGUMENT (TOO_MANY_ITEMS: 64 erased ranges that do not
     *   touch are kept of a stream).
     * </pre>
     */
    public example.frameway.v1.EraseFramesResponse eraseFrames(example.frameway.v1.EraseFramesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getEraseFramesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Sends the registered streams, and then every change.
     * - Ordering: changes of one stream are sent in the order in which they happened. Of several quick changes, only the last
     *   may be sent.
     * - Retry: safe. Resume after the last resume_token that was handled. A token that is too old, from before a failover, or of
     *   another store starts with a new snapshot.
     * - Status: RESOURCE_EXHAUSTED (TOO_MANY_SUBSCRIPTIONS), UNAVAILABLE when the server drains.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, example.frameway.v1.WatchStreamsResponse>
        watchStreams(example.frameway.v1.WatchStreamsRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getWatchStreamsMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service StreamRegistryService.
   * <pre>
   * Manages the streams and their settings. For words, errors, unknown values and retries see StreamingService. Every RPC that
   * changes something writes an audit line with the caller and, where the request has one, the reason.
   * </pre>
   */
  public static final class StreamRegistryServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<StreamRegistryServiceBlockingStub> {
    private StreamRegistryServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected StreamRegistryServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new StreamRegistryServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Registers a stream. If the id was registered before, a new stream begins, and its sequences continue after all that were
     * assigned under the id.
     * - Ordering: frames submitted after the answer are accepted.
     * - Retry: safe. If the id is registered with equal settings, the stored stream is returned.
     * - Status: ALREADY_EXISTS (the settings differ), RESOURCE_EXHAUSTED (TOO_MANY_STREAMS, QUOTA_EXCEEDED).
     * </pre>
     */
    public example.frameway.v1.RegisterStreamResponse registerStream(example.frameway.v1.RegisterStreamRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRegisterStreamMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads a stream's settings and status.
     * - Ordering: returns every change that was answered before.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (STREAM_NOT_FOUND).
     * </pre>
     */
    public example.frameway.v1.GetStreamResponse getStream(example.frameway.v1.GetStreamRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetStreamMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads the registered streams in pages.
     * - Ordering: by stream id. Streams that are registered or unregistered meanwhile may be missing; no other is missing or
     *   repeated.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public example.frameway.v1.ListStreamsResponse listStreams(example.frameway.v1.ListStreamsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListStreamsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes settings of a stream. They apply to frames accepted after the answer; the ClockPolicy applies about a second
     * later. Frames that wait for a worker may get the old or the new ones.
     * - Ordering: updates that run at the same time apply one after the other.
     * - Retry: send the etag, so that a repeat cannot undo another client's change: it answers ABORTED if the first call took
     *   effect.
     * - Status: NOT_FOUND (STREAM_NOT_FOUND), INVALID_ARGUMENT (UPDATE_MASK_INVALID), ABORTED (ETAG_MISMATCH; without an etag
     *   only if others keep changing the stream), RESOURCE_EXHAUSTED (TOO_MANY_STREAMS: limit_bytes).
     * </pre>
     */
    public example.frameway.v1.UpdateStreamResponse updateStream(example.frameway.v1.UpdateStreamRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getUpdateStreamMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Removes a stream with its settings, its queued frames, its output and its dead letters. After the answer nobody can read
     * any of them, even if the id is registered again; queued frames are not processed; the bytes are removed from the store
     * within seconds, or as soon as a worker runs. Readers get a gap (GAP_REASON_UNREGISTERED). What was sent before the answer
     * may arrive after it.
     * - Ordering: frames submitted after the answer are rejected, or register the stream again if auto_registration is on.
     * - Retry: a repeat answers NOT_FOUND if the first call took effect. Send the etag, so that a repeat cannot remove a stream
     *   that was registered in between.
     * - Status: NOT_FOUND (STREAM_NOT_FOUND), ABORTED (ETAG_MISMATCH).
     * </pre>
     */
    public example.frameway.v1.UnregisterStreamResponse unregisterStream(example.frameway.v1.UnregisterStreamRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getUnregisterStreamMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Erases frames of a stream before retention does: the pictures of kept frames, in every role, and dead letters. A tombstone
     * takes the place of each frame that was processed or failed (TOMBSTONE_OUTCOME_ERASED), and readers get a gap
     * (GAP_REASON_ERASED); dropped and purged frames stay as they are. Frames of the range that wait for a worker, or are being
     * processed, become such tombstones when it is their turn; their pictures are not published.
     * After the answer no server sends the pictures, and they are removed from the store, but for those of frames that still
     * wait, which nobody can read. Frames that a consumer group has outstanding, or has yet to deliver, are gaps for it as well.
     * Pictures that were sent before the answer may arrive after it. A frame that was submitted again or replayed has another
     * sequence and is another frame.
     * The server stores what is to be erased, the worker that has the stream carries it out, and its successor continues if it
     * stops. The call waits for that, and then until all servers have dropped the pictures from their memory: about 3 s.
     * - Ordering: frames accepted after the call are not touched, even if they are in the range.
     * - Retry: safe. A repeat finds what was erased before in already_erased_frames, and erases the frames of the range that were
     *   accepted in between.
     * - Status: NOT_FOUND (STREAM_NOT_FOUND), UNAVAILABLE (ERASURE_PENDING: what is stored will be erased as soon as a worker runs,
     *   and until a repeat answers, pictures may still be sent; BACKEND_UNAVAILABLE, also while a server or worker of a version
     *   without this call uses the store: nothing was stored), INVALID_ARGUMENT (TOO_MANY_ITEMS: 64 erased ranges that do not
     *   touch are kept of a stream).
     * </pre>
     */
    public example.frameway.v1.EraseFramesResponse eraseFrames(example.frameway.v1.EraseFramesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getEraseFramesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Sends the registered streams, and then every change.
     * - Ordering: changes of one stream are sent in the order in which they happened. Of several quick changes, only the last
     *   may be sent.
     * - Retry: safe. Resume after the last resume_token that was handled. A token that is too old, from before a failover, or of
     *   another store starts with a new snapshot.
     * - Status: RESOURCE_EXHAUSTED (TOO_MANY_SUBSCRIPTIONS), UNAVAILABLE when the server drains.
     * </pre>
     */
    public java.util.Iterator<example.frameway.v1.WatchStreamsResponse> watchStreams(
        example.frameway.v1.WatchStreamsRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getWatchStreamsMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service StreamRegistryService.
   * <pre>
   * Manages the streams and their settings. For words, errors, unknown values and retries see StreamingService. Every RPC that
   * changes something writes an audit line with the caller and, where the request has one, the reason.
   * </pre>
   */
  public static final class StreamRegistryServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<StreamRegistryServiceFutureStub> {
    private StreamRegistryServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected StreamRegistryServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new StreamRegistryServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Registers a stream. If the id was registered before, a new stream begins, and its sequences continue after all that were
     * assigned under the id.
     * - Ordering: frames submitted after the answer are accepted.
     * - Retry: safe. If the id is registered with equal settings, the stored stream is returned.
     * - Status: ALREADY_EXISTS (the settings differ), RESOURCE_EXHAUSTED (TOO_MANY_STREAMS, QUOTA_EXCEEDED).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.RegisterStreamResponse> registerStream(
        example.frameway.v1.RegisterStreamRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRegisterStreamMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Reads a stream's settings and status.
     * - Ordering: returns every change that was answered before.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (STREAM_NOT_FOUND).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.GetStreamResponse> getStream(
        example.frameway.v1.GetStreamRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetStreamMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Reads the registered streams in pages.
     * - Ordering: by stream id. Streams that are registered or unregistered meanwhile may be missing; no other is missing or
     *   repeated.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.ListStreamsResponse> listStreams(
        example.frameway.v1.ListStreamsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListStreamsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Changes settings of a stream. They apply to frames accepted after the answer; the ClockPolicy applies about a second
     * later. Frames that wait for a worker may get the old or the new ones.
     * - Ordering: updates that run at the same time apply one after the other.
     * - Retry: send the etag, so that a repeat cannot undo another client's change: it answers ABORTED if the first call took
     *   effect.
     * - Status: NOT_FOUND (STREAM_NOT_FOUND), INVALID_ARGUMENT (UPDATE_MASK_INVALID), ABORTED (ETAG_MISMATCH; without an etag
     *   only if others keep changing the stream), RESOURCE_EXHAUSTED (TOO_MANY_STREAMS: limit_bytes).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.UpdateStreamResponse> updateStream(
        example.frameway.v1.UpdateStreamRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getUpdateStreamMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Removes a stream with its settings, its queued frames, its output and its dead letters. After the answer nobody can read
     * any of them, even if the id is registered again; queued frames are not processed; the bytes are removed from the store
     * within seconds, or as soon as a worker runs. Readers get a gap (GAP_REASON_UNREGISTERED). What was sent before the answer
     * may arrive after it.
     * - Ordering: frames submitted after the answer are rejected, or register the stream again if auto_registration is on.
     * - Retry: a repeat answers NOT_FOUND if the first call took effect. Send the etag, so that a repeat cannot remove a stream
     *   that was registered in between.
     * - Status: NOT_FOUND (STREAM_NOT_FOUND), ABORTED (ETAG_MISMATCH).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.UnregisterStreamResponse> unregisterStream(
        example.frameway.v1.UnregisterStreamRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getUnregisterStreamMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Erases frames of a stream before retention does: the pictures of kept frames, in every role, and dead letters. A tombstone
     * takes the place of each frame that was processed or failed (TOMBSTONE_OUTCOME_ERASED), and readers get a gap
     * (GAP_REASON_ERASED); dropped and purged frames stay as they are. Frames of the range that wait for a worker, or are being
     * processed, become such tombstones when it is their turn; their pictures are not published.
     * After the answer no server sends the pictures, and they are removed from the store, but for those of frames that still
     * wait, which nobody can read. Frames that a consumer group has outstanding, or has yet to deliver, are gaps for it as well.
     * Pictures that were sent before the answer may arrive after it. A frame that was submitted again or replayed has another
     * sequence and is another frame.
     * The server stores what is to be erased, the worker that has the stream carries it out, and its successor continues if it
     * stops. The call waits for that, and then until all servers have dropped the pictures from their memory: about 3 s.
     * - Ordering: frames accepted after the call are not touched, even if they are in the range.
     * - Retry: safe. A repeat finds what was erased before in already_erased_frames, and erases the frames of the range that were
     *   accepted in between.
     * - Status: NOT_FOUND (STREAM_NOT_FOUND), UNAVAILABLE (ERASURE_PENDING: what is stored will be erased as soon as a worker runs,
     *   and until a repeat answers, pictures may still be sent; BACKEND_UNAVAILABLE, also while a server or worker of a version
     *   without this call uses the store: nothing was stored), INVALID_ARGUMENT (TOO_MANY_ITEMS: 64 erased ranges that do not
     *   touch are kept of a stream).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.EraseFramesResponse> eraseFrames(
        example.frameway.v1.EraseFramesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getEraseFramesMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_REGISTER_STREAM = 0;
  private static final int METHODID_GET_STREAM = 1;
  private static final int METHODID_LIST_STREAMS = 2;
  private static final int METHODID_UPDATE_STREAM = 3;
  private static final int METHODID_UNREGISTER_STREAM = 4;
  private static final int METHODID_ERASE_FRAMES = 5;
  private static final int METHODID_WATCH_STREAMS = 6;

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
        case METHODID_REGISTER_STREAM:
          serviceImpl.registerStream((example.frameway.v1.RegisterStreamRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.RegisterStreamResponse>) responseObserver);
          break;
        case METHODID_GET_STREAM:
          serviceImpl.getStream((example.frameway.v1.GetStreamRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.GetStreamResponse>) responseObserver);
          break;
        case METHODID_LIST_STREAMS:
          serviceImpl.listStreams((example.frameway.v1.ListStreamsRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.ListStreamsResponse>) responseObserver);
          break;
        case METHODID_UPDATE_STREAM:
          serviceImpl.updateStream((example.frameway.v1.UpdateStreamRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.UpdateStreamResponse>) responseObserver);
          break;
        case METHODID_UNREGISTER_STREAM:
          serviceImpl.unregisterStream((example.frameway.v1.UnregisterStreamRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.UnregisterStreamResponse>) responseObserver);
          break;
        case METHODID_ERASE_FRAMES:
          serviceImpl.eraseFrames((example.frameway.v1.EraseFramesRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.EraseFramesResponse>) responseObserver);
          break;
        case METHODID_WATCH_STREAMS:
          serviceImpl.watchStreams((example.frameway.v1.WatchStreamsRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.WatchStreamsResponse>) responseObserver);
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
          getRegisterStreamMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.RegisterStreamRequest,
              example.frameway.v1.RegisterStreamResponse>(
                service, METHODID_REGISTER_STREAM)))
        .addMethod(
          getGetStreamMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.GetStreamRequest,
              example.frameway.v1.GetStreamResponse>(
                service, METHODID_GET_STREAM)))
        .addMethod(
          getListStreamsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.ListStreamsRequest,
              example.frameway.v1.ListStreamsResponse>(
                service, METHODID_LIST_STREAMS)))
        .addMethod(
          getUpdateStreamMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.UpdateStreamRequest,
              example.frameway.v1.UpdateStreamResponse>(
                service, METHODID_UPDATE_STREAM)))
        .addMethod(
          getUnregisterStreamMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.UnregisterStreamRequest,
              example.frameway.v1.UnregisterStreamResponse>(
                service, METHODID_UNREGISTER_STREAM)))
        .addMethod(
          getEraseFramesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.EraseFramesRequest,
              example.frameway.v1.EraseFramesResponse>(
                service, METHODID_ERASE_FRAMES)))
        .addMethod(
          getWatchStreamsMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              example.frameway.v1.WatchStreamsRequest,
              example.frameway.v1.WatchStreamsResponse>(
                service, METHODID_WATCH_STREAMS)))
        .build();
  }

  private static abstract class StreamRegistryServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    StreamRegistryServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return example.frameway.v1.StreamRegistryServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("StreamRegistryService");
    }
  }

  private static final class StreamRegistryServiceFileDescriptorSupplier
      extends StreamRegistryServiceBaseDescriptorSupplier {
    StreamRegistryServiceFileDescriptorSupplier() {}
  }

  private static final class StreamRegistryServiceMethodDescriptorSupplier
      extends StreamRegistryServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    StreamRegistryServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (StreamRegistryServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new StreamRegistryServiceFileDescriptorSupplier())
              .addMethod(getRegisterStreamMethod())
              .addMethod(getGetStreamMethod())
              .addMethod(getListStreamsMethod())
              .addMethod(getUpdateStreamMethod())
              .addMethod(getUnregisterStreamMethod())
              .addMethod(getEraseFramesMethod())
              .addMethod(getWatchStreamsMethod())
              .build();
        }
      }
    }
    return result;
  }
}
