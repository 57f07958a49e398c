package example.frameway.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Operates the work queues. For words, errors, unknown values and retries see StreamingService. Every RPC that changes something
 * writes an audit line with the caller and the reason.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class QueueServiceGrpc {

  private QueueServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "frameway.v1.QueueService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.ListQueuesRequest,
      example.frameway.v1.ListQueuesResponse> getListQueuesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListQueues",
      requestType = example.frameway.v1.ListQueuesRequest.class,
      responseType = example.frameway.v1.ListQueuesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.ListQueuesRequest,
      example.frameway.v1.ListQueuesResponse> getListQueuesMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.ListQueuesRequest, example.frameway.v1.ListQueuesResponse> getListQueuesMethod;
    if ((getListQueuesMethod = QueueServiceGrpc.getListQueuesMethod) == null) {
      synchronized (QueueServiceGrpc.class) {
        if ((getListQueuesMethod = QueueServiceGrpc.getListQueuesMethod) == null) {
          QueueServiceGrpc.getListQueuesMethod = getListQueuesMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.ListQueuesRequest, example.frameway.v1.ListQueuesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListQueues"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ListQueuesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ListQueuesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new QueueServiceMethodDescriptorSupplier("ListQueues"))
              .build();
        }
      }
    }
    return getListQueuesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.GetQueueStatsRequest,
      example.frameway.v1.GetQueueStatsResponse> getGetQueueStatsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetQueueStats",
      requestType = example.frameway.v1.GetQueueStatsRequest.class,
      responseType = example.frameway.v1.GetQueueStatsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.GetQueueStatsRequest,
      example.frameway.v1.GetQueueStatsResponse> getGetQueueStatsMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.GetQueueStatsRequest, example.frameway.v1.GetQueueStatsResponse> getGetQueueStatsMethod;
    if ((getGetQueueStatsMethod = QueueServiceGrpc.getGetQueueStatsMethod) == null) {
      synchronized (QueueServiceGrpc.class) {
        if ((getGetQueueStatsMethod = QueueServiceGrpc.getGetQueueStatsMethod) == null) {
          QueueServiceGrpc.getGetQueueStatsMethod = getGetQueueStatsMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.GetQueueStatsRequest, example.frameway.v1.GetQueueStatsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetQueueStats"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.GetQueueStatsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.GetQueueStatsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new QueueServiceMethodDescriptorSupplier("GetQueueStats"))
              .build();
        }
      }
    }
    return getGetQueueStatsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.ListStreamStatsRequest,
      example.frameway.v1.ListStreamStatsResponse> getListStreamStatsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListStreamStats",
      requestType = example.frameway.v1.ListStreamStatsRequest.class,
      responseType = example.frameway.v1.ListStreamStatsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.ListStreamStatsRequest,
      example.frameway.v1.ListStreamStatsResponse> getListStreamStatsMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.ListStreamStatsRequest, example.frameway.v1.ListStreamStatsResponse> getListStreamStatsMethod;
    if ((getListStreamStatsMethod = QueueServiceGrpc.getListStreamStatsMethod) == null) {
      synchronized (QueueServiceGrpc.class) {
        if ((getListStreamStatsMethod = QueueServiceGrpc.getListStreamStatsMethod) == null) {
          QueueServiceGrpc.getListStreamStatsMethod = getListStreamStatsMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.ListStreamStatsRequest, example.frameway.v1.ListStreamStatsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListStreamStats"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ListStreamStatsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ListStreamStatsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new QueueServiceMethodDescriptorSupplier("ListStreamStats"))
              .build();
        }
      }
    }
    return getListStreamStatsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.PauseQueueRequest,
      example.frameway.v1.PauseQueueResponse> getPauseQueueMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "PauseQueue",
      requestType = example.frameway.v1.PauseQueueRequest.class,
      responseType = example.frameway.v1.PauseQueueResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.PauseQueueRequest,
      example.frameway.v1.PauseQueueResponse> getPauseQueueMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.PauseQueueRequest, example.frameway.v1.PauseQueueResponse> getPauseQueueMethod;
    if ((getPauseQueueMethod = QueueServiceGrpc.getPauseQueueMethod) == null) {
      synchronized (QueueServiceGrpc.class) {
        if ((getPauseQueueMethod = QueueServiceGrpc.getPauseQueueMethod) == null) {
          QueueServiceGrpc.getPauseQueueMethod = getPauseQueueMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.PauseQueueRequest, example.frameway.v1.PauseQueueResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "PauseQueue"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.PauseQueueRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.PauseQueueResponse.getDefaultInstance()))
              .setSchemaDescriptor(new QueueServiceMethodDescriptorSupplier("PauseQueue"))
              .build();
        }
      }
    }
    return getPauseQueueMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.ResumeQueueRequest,
      example.frameway.v1.ResumeQueueResponse> getResumeQueueMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ResumeQueue",
      requestType = example.frameway.v1.ResumeQueueRequest.class,
      responseType = example.frameway.v1.ResumeQueueResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.ResumeQueueRequest,
      example.frameway.v1.ResumeQueueResponse> getResumeQueueMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.ResumeQueueRequest, example.frameway.v1.ResumeQueueResponse> getResumeQueueMethod;
    if ((getResumeQueueMethod = QueueServiceGrpc.getResumeQueueMethod) == null) {
      synchronized (QueueServiceGrpc.class) {
        if ((getResumeQueueMethod = QueueServiceGrpc.getResumeQueueMethod) == null) {
          QueueServiceGrpc.getResumeQueueMethod = getResumeQueueMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.ResumeQueueRequest, example.frameway.v1.ResumeQueueResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ResumeQueue"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ResumeQueueRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ResumeQueueResponse.getDefaultInstance()))
              .setSchemaDescriptor(new QueueServiceMethodDescriptorSupplier("ResumeQueue"))
              .build();
        }
      }
    }
    return getResumeQueueMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.DrainQueueRequest,
      example.frameway.v1.DrainQueueResponse> getDrainQueueMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "DrainQueue",
      requestType = example.frameway.v1.DrainQueueRequest.class,
      responseType = example.frameway.v1.DrainQueueResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.DrainQueueRequest,
      example.frameway.v1.DrainQueueResponse> getDrainQueueMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.DrainQueueRequest, example.frameway.v1.DrainQueueResponse> getDrainQueueMethod;
    if ((getDrainQueueMethod = QueueServiceGrpc.getDrainQueueMethod) == null) {
      synchronized (QueueServiceGrpc.class) {
        if ((getDrainQueueMethod = QueueServiceGrpc.getDrainQueueMethod) == null) {
          QueueServiceGrpc.getDrainQueueMethod = getDrainQueueMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.DrainQueueRequest, example.frameway.v1.DrainQueueResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "DrainQueue"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.DrainQueueRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.DrainQueueResponse.getDefaultInstance()))
              .setSchemaDescriptor(new QueueServiceMethodDescriptorSupplier("DrainQueue"))
              .build();
        }
      }
    }
    return getDrainQueueMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.PurgeQueueRequest,
      example.frameway.v1.PurgeQueueResponse> getPurgeQueueMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "PurgeQueue",
      requestType = example.frameway.v1.PurgeQueueRequest.class,
      responseType = example.frameway.v1.PurgeQueueResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.PurgeQueueRequest,
      example.frameway.v1.PurgeQueueResponse> getPurgeQueueMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.PurgeQueueRequest, example.frameway.v1.PurgeQueueResponse> getPurgeQueueMethod;
    if ((getPurgeQueueMethod = QueueServiceGrpc.getPurgeQueueMethod) == null) {
      synchronized (QueueServiceGrpc.class) {
        if ((getPurgeQueueMethod = QueueServiceGrpc.getPurgeQueueMethod) == null) {
          QueueServiceGrpc.getPurgeQueueMethod = getPurgeQueueMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.PurgeQueueRequest, example.frameway.v1.PurgeQueueResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "PurgeQueue"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.PurgeQueueRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.PurgeQueueResponse.getDefaultInstance()))
              .setSchemaDescriptor(new QueueServiceMethodDescriptorSupplier("PurgeQueue"))
              .build();
        }
      }
    }
    return getPurgeQueueMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static QueueServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<QueueServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<QueueServiceStub>() {
        @java.lang.Override
        public QueueServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new QueueServiceStub(channel, callOptions);
        }
      };
    return QueueServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static QueueServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<QueueServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<QueueServiceBlockingV2Stub>() {
        @java.lang.Override
        public QueueServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new QueueServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return QueueServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static QueueServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<QueueServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<QueueServiceBlockingStub>() {
        @java.lang.Override
        public QueueServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new QueueServiceBlockingStub(channel, callOptions);
        }
      };
    return QueueServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static QueueServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<QueueServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<QueueServiceFutureStub>() {
        @java.lang.Override
        public QueueServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new QueueServiceFutureStub(channel, callOptions);
        }
      };
    return QueueServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Operates the work queues. For words, errors, unknown values and retries see StreamingService. Every RPC that changes something
   * writes an audit line with the caller and the reason.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Reads the work queues and their states, in pages.
     * - Ordering: by partition.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    default void listQueues(example.frameway.v1.ListQueuesRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ListQueuesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListQueuesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Reads statistics of the work queues, of each and of all together.
     * - Ordering: by partition. The statistics of one queue belong to one moment, those of several do not.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND).
     * </pre>
     */
    default void getQueueStats(example.frameway.v1.GetQueueStatsRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.GetQueueStatsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetQueueStatsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Reads statistics of the streams, in pages.
     * - Ordering: by stream id.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    default void listStreamStats(example.frameway.v1.ListStreamStatsRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ListStreamStatsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListStreamStatsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Stops workers from taking frames. Frames being processed are finished. Frames are accepted until the queue is full.
     * - Ordering: after the answer no worker takes another frame.
     * - Retry: safe.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND). With all_queues, a failed call may have changed some.
     * </pre>
     */
    default void pauseQueue(example.frameway.v1.PauseQueueRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.PauseQueueResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getPauseQueueMethod(), responseObserver);
    }

    /**
     * <pre>
     * Ends a pause or a drain.
     * - Ordering: frames continue in their order.
     * - Retry: safe.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND). With all_queues, a failed call may have changed some.
     * </pre>
     */
    default void resumeQueue(example.frameway.v1.ResumeQueueRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ResumeQueueResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getResumeQueueMethod(), responseObserver);
    }

    /**
     * <pre>
     * Rejects new frames (QUEUE_DRAINING, with a retry_delay) while workers finish those that wait. Publishers keep their frames
     * and send them again after the queue is resumed.
     * - Ordering: after the answer no new frame is accepted. The queue is empty when ListQueues returns queued_frames 0.
     * - Retry: safe.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND). With all_queues, a failed call may have changed some.
     * </pre>
     */
    default void drainQueue(example.frameway.v1.DrainQueueRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.DrainQueueResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getDrainQueueMethod(), responseObserver);
    }

    /**
     * <pre>
     * Removes the frames that wait at the moment of the call. Each leaves a tombstone (PURGED), written by the worker that has
     * the lease of the partition, even while the queue is paused.
     * - Ordering: frames accepted after the call stay; frames that a worker is processing are finished.
     * - Retry: a repeat also removes frames that were accepted in between. With before_receive_time it does not.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND, STREAM_NOT_FOUND). With all_queues, a failed call may have purged some.
     * </pre>
     */
    default void purgeQueue(example.frameway.v1.PurgeQueueRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.PurgeQueueResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getPurgeQueueMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service QueueService.
   * <pre>
   * Operates the work queues. For words, errors, unknown values and retries see StreamingService. Every RPC that changes something
   * writes an audit line with the caller and the reason.
   * </pre>
   */
  public static abstract class QueueServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return QueueServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service QueueService.
   * <pre>
   * Operates the work queues. For words, errors, unknown values and retries see StreamingService. Every RPC that changes something
   * writes an audit line with the caller and the reason.
   * </pre>
   */
  public static final class QueueServiceStub
      extends io.grpc.stub.AbstractAsyncStub<QueueServiceStub> {
    private QueueServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected QueueServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new QueueServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Reads the work queues and their states, in pages.
     * - Ordering: by partition.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public void listQueues(example.frameway.v1.ListQueuesRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ListQueuesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListQueuesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Reads statistics of the work queues, of each and of all together.
     * - Ordering: by partition. The statistics of one queue belong to one moment, those of several do not.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND).
     * </pre>
     */
    public void getQueueStats(example.frameway.v1.GetQueueStatsRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.GetQueueStatsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetQueueStatsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Reads statistics of the streams, in pages.
     * - Ordering: by stream id.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public void listStreamStats(example.frameway.v1.ListStreamStatsRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ListStreamStatsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListStreamStatsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Stops workers from taking frames. Frames being processed are finished. Frames are accepted until the queue is full.
     * - Ordering: after the answer no worker takes another frame.
     * - Retry: safe.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND). With all_queues, a failed call may have changed some.
     * </pre>
     */
    public void pauseQueue(example.frameway.v1.PauseQueueRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.PauseQueueResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getPauseQueueMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Ends a pause or a drain.
     * - Ordering: frames continue in their order.
     * - Retry: safe.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND). With all_queues, a failed call may have changed some.
     * </pre>
     */
    public void resumeQueue(example.frameway.v1.ResumeQueueRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ResumeQueueResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getResumeQueueMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Rejects new frames (QUEUE_DRAINING, with a retry_delay) while workers finish those that wait. Publishers keep their frames
     * and send them again after the queue is resumed.
     * - Ordering: after the answer no new frame is accepted. The queue is empty when ListQueues returns queued_frames 0.
     * - Retry: safe.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND). With all_queues, a failed call may have changed some.
     * </pre>
     */
    public void drainQueue(example.frameway.v1.DrainQueueRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.DrainQueueResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getDrainQueueMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Removes the frames that wait at the moment of the call. Each leaves a tombstone (PURGED), written by the worker that has
     * the lease of the partition, even while the queue is paused.
     * - Ordering: frames accepted after the call stay; frames that a worker is processing are finished.
     * - Retry: a repeat also removes frames that were accepted in between. With before_receive_time it does not.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND, STREAM_NOT_FOUND). With all_queues, a failed call may have purged some.
     * </pre>
     */
    public void purgeQueue(example.frameway.v1.PurgeQueueRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.PurgeQueueResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getPurgeQueueMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service QueueService.
   * <pre>
   * Operates the work queues. For words, errors, unknown values and retries see StreamingService. Every RPC that changes something
   * writes an audit line with the caller and the reason.
   * </pre>
   */
  public static final class QueueServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<QueueServiceBlockingV2Stub> {
    private QueueServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected QueueServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new QueueServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Reads the work queues and their states, in pages.
     * - Ordering: by partition.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public example.frameway.v1.ListQueuesResponse listQueues(example.frameway.v1.ListQueuesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListQueuesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads statistics of the work queues, of each and of all together.
     * - Ordering: by partition. The statistics of one queue belong to one moment, those of several do not.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND).
     * </pre>
     */
    public example.frameway.v1.GetQueueStatsResponse getQueueStats(example.frameway.v1.GetQueueStatsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetQueueStatsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads statistics of the streams, in pages.
     * - Ordering: by stream id.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public example.frameway.v1.ListStreamStatsResponse listStreamStats(example.frameway.v1.ListStreamStatsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListStreamStatsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Stops workers from taking frames. Frames being processed are finished. Frames are accepted until the queue is full.
     * - Ordering: after the answer no worker takes another frame.
     * - Retry: safe.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND). With all_queues, a failed call may have changed some.
     * </pre>
     */
    public example.frameway.v1.PauseQueueResponse pauseQueue(example.frameway.v1.PauseQueueRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getPauseQueueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Ends a pause or a drain.
     * - Ordering: frames continue in their order.
     * - Retry: safe.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND). With all_queues, a failed call may have changed some.
     * </pre>
     */
    public example.frameway.v1.ResumeQueueResponse resumeQueue(example.frameway.v1.ResumeQueueRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getResumeQueueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Rejects new frames (QUEUE_DRAINING, with a retry_delay) while workers finish those that wait. Publishers keep their frames
     * and send them again after the queue is resumed.
     * - Ordering: after the answer no new frame is accepted. The queue is empty when ListQueues returns queued_frames 0.
     * - Retry: safe.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND). With all_queues, a failed call may have changed some.
     * </pre>
     */
    public example.frameway.v1.DrainQueueResponse drainQueue(example.frameway.v1.DrainQueueRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getDrainQueueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Removes the frames that wait at the moment of the call. Each leaves a tombstone (PURGED), written by the worker that has
     * the lease of the partition, even while the queue is paused.
     * - Ordering: frames accepted after the call stay; frames that a worker is processing are finished.
     * - Retry: a repeat also removes frames that were accepted in between. With before_receive_time it does not.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND, STREAM_NOT_FOUND). With all_queues, a failed call may have purged some.
     * </pre>
     */
    public example.frameway.v1.PurgeQueueResponse purgeQueue(example.frameway.v1.PurgeQueueRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getPurgeQueueMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service QueueService.
   * <pre>
   * Operates the work queues. For words, errors, unknown values and retries see StreamingService. Every RPC that changes something
   * writes an audit line with the caller and the reason.
   * </pre>
   */
  public static final class QueueServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<QueueServiceBlockingStub> {
    private QueueServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected QueueServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new QueueServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Reads the work queues and their states, in pages.
     * - Ordering: by partition.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public example.frameway.v1.ListQueuesResponse listQueues(example.frameway.v1.ListQueuesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListQueuesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads statistics of the work queues, of each and of all together.
     * - Ordering: by partition. The statistics of one queue belong to one moment, those of several do not.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND).
     * </pre>
     */
    public example.frameway.v1.GetQueueStatsResponse getQueueStats(example.frameway.v1.GetQueueStatsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetQueueStatsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads statistics of the streams, in pages.
     * - Ordering: by stream id.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public example.frameway.v1.ListStreamStatsResponse listStreamStats(example.frameway.v1.ListStreamStatsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListStreamStatsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Stops workers from taking frames. Frames being processed are finished. Frames are accepted until the queue is full.
     * - Ordering: after the answer no worker takes another frame.
     * - Retry: safe.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND). With all_queues, a failed call may have changed some.
     * </pre>
     */
    public example.frameway.v1.PauseQueueResponse pauseQueue(example.frameway.v1.PauseQueueRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getPauseQueueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Ends a pause or a drain.
     * - Ordering: frames continue in their order.
     * - Retry: safe.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND). With all_queues, a failed call may have changed some.
     * </pre>
     */
    public example.frameway.v1.ResumeQueueResponse resumeQueue(example.frameway.v1.ResumeQueueRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getResumeQueueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Rejects new frames (QUEUE_DRAINING, with a retry_delay) while workers finish those that wait. Publishers keep their frames
     * and send them again after the queue is resumed.
     * - Ordering: after the answer no new frame is accepted. The queue is empty when ListQueues returns queued_frames 0.
     * - Retry: safe.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND). With all_queues, a failed call may have changed some.
     * </pre>
     */
    public example.frameway.v1.DrainQueueResponse drainQueue(example.frameway.v1.DrainQueueRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getDrainQueueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Removes the frames that wait at the moment of the call. Each leaves a tombstone (PURGED), written by the worker that has
     * the lease of the partition, even while the queue is paused.
     * - Ordering: frames accepted after the call stay; frames that a worker is processing are finished.
     * - Retry: a repeat also removes frames that were accepted in between. With before_receive_time it does not.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND, STREAM_NOT_FOUND). With all_queues, a failed call may have purged some.
     * </pre>
     */
    public example.frameway.v1.PurgeQueueResponse purgeQueue(example.frameway.v1.PurgeQueueRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getPurgeQueueMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service QueueService.
   * <pre>
   * Operates the work queues. For words, errors, unknown values and retries see StreamingService. Every RPC that changes something
   * writes an audit line with the caller and the reason.
   * </pre>
   */
  public static final class QueueServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<QueueServiceFutureStub> {
    private QueueServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected QueueServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new QueueServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Reads the work queues and their states, in pages.
     * - Ordering: by partition.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.ListQueuesResponse> listQueues(
        example.frameway.v1.ListQueuesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListQueuesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Reads statistics of the work queues, of each and of all together.
     * - Ordering: by partition. The statistics of one queue belong to one moment, those of several do not.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.GetQueueStatsResponse> getQueueStats(
        example.frameway.v1.GetQueueStatsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetQueueStatsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Reads statistics of the streams, in pages.
     * - Ordering: by stream id.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.ListStreamStatsResponse> listStreamStats(
        example.frameway.v1.ListStreamStatsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListStreamStatsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Stops workers from taking frames. Frames being processed are finished. Frames are accepted until the queue is full.
     * - Ordering: after the answer no worker takes another frame.
     * - Retry: safe.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND). With all_queues, a failed call may have changed some.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.PauseQueueResponse> pauseQueue(
        example.frameway.v1.PauseQueueRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getPauseQueueMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Ends a pause or a drain.
     * - Ordering: frames continue in their order.
     * - Retry: safe.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND). With all_queues, a failed call may have changed some.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.ResumeQueueResponse> resumeQueue(
        example.frameway.v1.ResumeQueueRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getResumeQueueMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Rejects new frames (QUEUE_DRAINING, with a retry_delay) while workers finish those that wait. Publishers keep their frames
     * and send them again after the queue is resumed.
     * - Ordering: after the answer no new frame is accepted. The queue is empty when ListQueues returns queued_frames 0.
     * - Retry: safe.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND). With all_queues, a failed call may have changed some.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.DrainQueueResponse> drainQueue(
        example.frameway.v1.DrainQueueRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getDrainQueueMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Removes the frames that wait at the moment of the call. Each leaves a tombstone (PURGED), written by the worker that has
     * the lease of the partition, even while the queue is paused.
     * - Ordering: frames accepted after the call stay; frames that a worker is processing are finished.
     * - Retry: a repeat also removes frames that were accepted in between. With before_receive_time it does not.
     * - Status: NOT_FOUND (QUEUE_NOT_FOUND, STREAM_NOT_FOUND). With all_queues, a failed call may have purged some.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.PurgeQueueResponse> purgeQueue(
        example.frameway.v1.PurgeQueueRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getPurgeQueueMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_LIST_QUEUES = 0;
  private static final int METHODID_GET_QUEUE_STATS = 1;
  private static final int METHODID_LIST_STREAM_STATS = 2;
  private static final int METHODID_PAUSE_QUEUE = 3;
  private static final int METHODID_RESUME_QUEUE = 4;
  private static final int METHODID_DRAIN_QUEUE = 5;
  private static final int METHODID_PURGE_QUEUE = 6;

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
        case METHODID_LIST_QUEUES:
          serviceImpl.listQueues((example.frameway.v1.ListQueuesRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.ListQueuesResponse>) responseObserver);
          break;
        case METHODID_GET_QUEUE_STATS:
          serviceImpl.getQueueStats((example.frameway.v1.GetQueueStatsRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.GetQueueStatsResponse>) responseObserver);
          break;
        case METHODID_LIST_STREAM_STATS:
          serviceImpl.listStreamStats((example.frameway.v1.ListStreamStatsRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.ListStreamStatsResponse>) responseObserver);
          break;
        case METHODID_PAUSE_QUEUE:
          serviceImpl.pauseQueue((example.frameway.v1.PauseQueueRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.PauseQueueResponse>) responseObserver);
          break;
        case METHODID_RESUME_QUEUE:
          serviceImpl.resumeQueue((example.frameway.v1.ResumeQueueRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.ResumeQueueResponse>) responseObserver);
          break;
        case METHODID_DRAIN_QUEUE:
          serviceImpl.drainQueue((example.frameway.v1.DrainQueueRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.DrainQueueResponse>) responseObserver);
          break;
        case METHODID_PURGE_QUEUE:
          serviceImpl.purgeQueue((example.frameway.v1.PurgeQueueRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.PurgeQueueResponse>) responseObserver);
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
          getListQueuesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.ListQueuesRequest,
              example.frameway.v1.ListQueuesResponse>(
                service, METHODID_LIST_QUEUES)))
        .addMethod(
          getGetQueueStatsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.GetQueueStatsRequest,
              example.frameway.v1.GetQueueStatsResponse>(
                service, METHODID_GET_QUEUE_STATS)))
        .addMethod(
          getListStreamStatsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.ListStreamStatsRequest,
              example.frameway.v1.ListStreamStatsResponse>(
                service, METHODID_LIST_STREAM_STATS)))
        .addMethod(
          getPauseQueueMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.PauseQueueRequest,
              example.frameway.v1.PauseQueueResponse>(
                service, METHODID_PAUSE_QUEUE)))
        .addMethod(
          getResumeQueueMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.ResumeQueueRequest,
              example.frameway.v1.ResumeQueueResponse>(
                service, METHODID_RESUME_QUEUE)))
        .addMethod(
          getDrainQueueMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.DrainQueueRequest,
              example.frameway.v1.DrainQueueResponse>(
                service, METHODID_DRAIN_QUEUE)))
        .addMethod(
          getPurgeQueueMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.PurgeQueueRequest,
              example.frameway.v1.PurgeQueueResponse>(
                service, METHODID_PURGE_QUEUE)))
        .build();
  }

  private static abstract class QueueServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    QueueServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return example.frameway.v1.QueueServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("QueueService");
    }
  }

  private static final class QueueServiceFileDescriptorSupplier
      extends QueueServiceBaseDescriptorSupplier {
    QueueServiceFileDescriptorSupplier() {}
  }

  private static final class QueueServiceMethodDescriptorSupplier
      extends QueueServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    QueueServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (QueueServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new QueueServiceFileDescriptorSupplier())
              .addMethod(getListQueuesMethod())
              .addMethod(getGetQueueStatsMethod())
              .addMethod(getListStreamStatsMethod())
              .addMethod(getPauseQueueMethod())
              .addMethod(getResumeQueueMethod())
              .addMethod(getDrainQueueMethod())
              .addMethod(getPurgeQueueMethod())
              .build();
        }
      }
    }
    return result;
  }
}
