package example.frameway.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Manages consumer groups. Members read through StreamingService.ConsumeFrames. For words, errors, unknown values and retries
 * see StreamingService. Every RPC that changes something writes an audit line with the caller and, where the request has one,
 * the reason.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class ConsumerGroupServiceGrpc {

  private ConsumerGroupServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "frameway.v1.ConsumerGroupService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.CreateConsumerGroupRequest,
      example.frameway.v1.CreateConsumerGroupResponse> getCreateConsumerGroupMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CreateConsumerGroup",
      requestType = example.frameway.v1.CreateConsumerGroupRequest.class,
      responseType = example.frameway.v1.CreateConsumerGroupResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.CreateConsumerGroupRequest,
      example.frameway.v1.CreateConsumerGroupResponse> getCreateConsumerGroupMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.CreateConsumerGroupRequest, example.frameway.v1.CreateConsumerGroupResponse> getCreateConsumerGroupMethod;
    if ((getCreateConsumerGroupMethod = ConsumerGroupServiceGrpc.getCreateConsumerGroupMethod) == null) {
      synchronized (ConsumerGroupServiceGrpc.class) {
        if ((getCreateConsumerGroupMethod = ConsumerGroupServiceGrpc.getCreateConsumerGroupMethod) == null) {
          ConsumerGroupServiceGrpc.getCreateConsumerGroupMethod = getCreateConsumerGroupMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.CreateConsumerGroupRequest, example.frameway.v1.CreateConsumerGroupResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CreateConsumerGroup"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.CreateConsumerGroupRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.CreateConsumerGroupResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ConsumerGroupServiceMethodDescriptorSupplier("CreateConsumerGroup"))
              .build();
        }
      }
    }
    return getCreateConsumerGroupMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.GetConsumerGroupRequest,
      example.frameway.v1.GetConsumerGroupResponse> getGetConsumerGroupMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetConsumerGroup",
      requestType = example.frameway.v1.GetConsumerGroupRequest.class,
      responseType = example.frameway.v1.GetConsumerGroupResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.GetConsumerGroupRequest,
      example.frameway.v1.GetConsumerGroupResponse> getGetConsumerGroupMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.GetConsumerGroupRequest, example.frameway.v1.GetConsumerGroupResponse> getGetConsumerGroupMethod;
    if ((getGetConsumerGroupMethod = ConsumerGroupServiceGrpc.getGetConsumerGroupMethod) == null) {
      synchronized (ConsumerGroupServiceGrpc.class) {
        if ((getGetConsumerGroupMethod = ConsumerGroupServiceGrpc.getGetConsumerGroupMethod) == null) {
          ConsumerGroupServiceGrpc.getGetConsumerGroupMethod = getGetConsumerGroupMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.GetConsumerGroupRequest, example.frameway.v1.GetConsumerGroupResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetConsumerGroup"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.GetConsumerGroupRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.GetConsumerGroupResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ConsumerGroupServiceMethodDescriptorSupplier("GetConsumerGroup"))
              .build();
        }
      }
    }
    return getGetConsumerGroupMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.ListConsumerGroupsRequest,
      example.frameway.v1.ListConsumerGroupsResponse> getListConsumerGroupsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListConsumerGroups",
      requestType = example.frameway.v1.ListConsumerGroupsRequest.class,
      responseType = example.frameway.v1.ListConsumerGroupsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.ListConsumerGroupsRequest,
      example.frameway.v1.ListConsumerGroupsResponse> getListConsumerGroupsMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.ListConsumerGroupsRequest, example.frameway.v1.ListConsumerGroupsResponse> getListConsumerGroupsMethod;
    if ((getListConsumerGroupsMethod = ConsumerGroupServiceGrpc.getListConsumerGroupsMethod) == null) {
      synchronized (ConsumerGroupServiceGrpc.class) {
        if ((getListConsumerGroupsMethod = ConsumerGroupServiceGrpc.getListConsumerGroupsMethod) == null) {
          ConsumerGroupServiceGrpc.getListConsumerGroupsMethod = getListConsumerGroupsMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.ListConsumerGroupsRequest, example.frameway.v1.ListConsumerGroupsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListConsumerGroups"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ListConsumerGroupsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ListConsumerGroupsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ConsumerGroupServiceMethodDescriptorSupplier("ListConsumerGroups"))
              .build();
        }
      }
    }
    return getListConsumerGroupsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.ListConsumerGroupPositionsRequest,
      example.frameway.v1.ListConsumerGroupPositionsResponse> getListConsumerGroupPositionsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListConsumerGroupPositions",
      requestType = example.frameway.v1.ListConsumerGroupPositionsRequest.class,
      responseType = example.frameway.v1.ListConsumerGroupPositionsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.ListConsumerGroupPositionsRequest,
      example.frameway.v1.ListConsumerGroupPositionsResponse> getListConsumerGroupPositionsMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.ListConsumerGroupPositionsRequest, example.frameway.v1.ListConsumerGroupPositionsResponse> getListConsumerGroupPositionsMethod;
    if ((getListConsumerGroupPositionsMethod = ConsumerGroupServiceGrpc.getListConsumerGroupPositionsMethod) == null) {
      synchronized (ConsumerGroupServiceGrpc.class) {
        if ((getListConsumerGroupPositionsMethod = ConsumerGroupServiceGrpc.getListConsumerGroupPositionsMethod) == null) {
          ConsumerGroupServiceGrpc.getListConsumerGroupPositionsMethod = getListConsumerGroupPositionsMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.ListConsumerGroupPositionsRequest, example.frameway.v1.ListConsumerGroupPositionsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListConsumerGroupPositions"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ListConsumerGroupPositionsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ListConsumerGroupPositionsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ConsumerGroupServiceMethodDescriptorSupplier("ListConsumerGroupPositions"))
              .build();
        }
      }
    }
    return getListConsumerGroupPositionsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.UpdateConsumerGroupRequest,
      example.frameway.v1.UpdateConsumerGroupResponse> getUpdateConsumerGroupMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UpdateConsumerGroup",
      requestType = example.frameway.v1.UpdateConsumerGroupRequest.class,
      responseType = example.frameway.v1.UpdateConsumerGroupResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.UpdateConsumerGroupRequest,
      example.frameway.v1.UpdateConsumerGroupResponse> getUpdateConsumerGroupMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.UpdateConsumerGroupRequest, example.frameway.v1.UpdateConsumerGroupResponse> getUpdateConsumerGroupMethod;
    if ((getUpdateConsumerGroupMethod = ConsumerGroupServiceGrpc.getUpdateConsumerGroupMethod) == null) {
      synchronized (ConsumerGroupServiceGrpc.class) {
        if ((getUpdateConsumerGroupMethod = ConsumerGroupServiceGrpc.getUpdateConsumerGroupMethod) == null) {
          ConsumerGroupServiceGrpc.getUpdateConsumerGroupMethod = getUpdateConsumerGroupMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.UpdateConsumerGroupRequest, example.frameway.v1.UpdateConsumerGroupResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UpdateConsumerGroup"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.UpdateConsumerGroupRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.UpdateConsumerGroupResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ConsumerGroupServiceMethodDescriptorSupplier("UpdateConsumerGroup"))
              .build();
        }
      }
    }
    return getUpdateConsumerGroupMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.SeekConsumerGroupRequest,
      example.frameway.v1.SeekConsumerGroupResponse> getSeekConsumerGroupMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "SeekConsumerGroup",
      requestType = example.frameway.v1.SeekConsumerGroupRequest.class,
      responseType = example.frameway.v1.SeekConsumerGroupResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.SeekConsumerGroupRequest,
      example.frameway.v1.SeekConsumerGroupResponse> getSeekConsumerGroupMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.SeekConsumerGroupRequest, example.frameway.v1.SeekConsumerGroupResponse> getSeekConsumerGroupMethod;
    if ((getSeekConsumerGroupMethod = ConsumerGroupServiceGrpc.getSeekConsumerGroupMethod) == null) {
      synchronized (ConsumerGroupServiceGrpc.class) {
        if ((getSeekConsumerGroupMethod = ConsumerGroupServiceGrpc.getSeekConsumerGroupMethod) == null) {
          ConsumerGroupServiceGrpc.getSeekConsumerGroupMethod = getSeekConsumerGroupMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.SeekConsumerGroupRequest, example.frameway.v1.SeekConsumerGroupResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "SeekConsumerGroup"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.SeekConsumerGroupRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.SeekConsumerGroupResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ConsumerGroupServiceMethodDescriptorSupplier("SeekConsumerGroup"))
              .build();
        }
      }
    }
    return getSeekConsumerGroupMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.DeleteConsumerGroupRequest,
      example.frameway.v1.DeleteConsumerGroupResponse> getDeleteConsumerGroupMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "DeleteConsumerGroup",
      requestType = example.frameway.v1.DeleteConsumerGroupRequest.class,
      responseType = example.frameway.v1.DeleteConsumerGroupResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.DeleteConsumerGroupRequest,
      example.frameway.v1.DeleteConsumerGroupResponse> getDeleteConsumerGroupMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.DeleteConsumerGroupRequest, example.frameway.v1.DeleteConsumerGroupResponse> getDeleteConsumerGroupMethod;
    if ((getDeleteConsumerGroupMethod = ConsumerGroupServiceGrpc.getDeleteConsumerGroupMethod) == null) {
      synchronized (ConsumerGroupServiceGrpc.class) {
        if ((getDeleteConsumerGroupMethod = ConsumerGroupServiceGrpc.getDeleteConsumerGroupMethod) == null) {
          ConsumerGroupServiceGrpc.getDeleteConsumerGroupMethod = getDeleteConsumerGroupMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.DeleteConsumerGroupRequest, example.frameway.v1.DeleteConsumerGroupResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "DeleteConsumerGroup"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.DeleteConsumerGroupRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.DeleteConsumerGroupResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ConsumerGroupServiceMethodDescriptorSupplier("DeleteConsumerGroup"))
              .build();
        }
      }
    }
    return getDeleteConsumerGroupMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static ConsumerGroupServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ConsumerGroupServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ConsumerGroupServiceStub>() {
        @java.lang.Override
        public ConsumerGroupServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ConsumerGroupServiceStub(channel, callOptions);
        }
      };
    return ConsumerGroupServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static ConsumerGroupServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ConsumerGroupServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ConsumerGroupServiceBlockingV2Stub>() {
        @java.lang.Override
        public ConsumerGroupServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ConsumerGroupServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return ConsumerGroupServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static ConsumerGroupServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ConsumerGroupServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ConsumerGroupServiceBlockingStub>() {
        @java.lang.Override
        public ConsumerGroupServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ConsumerGroupServiceBlockingStub(channel, callOptions);
        }
      };
    return ConsumerGroupServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static ConsumerGroupServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ConsumerGroupServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ConsumerGroupServiceFutureStub>() {
        @java.lang.Override
        public ConsumerGroupServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ConsumerGroupServiceFutureStub(channel, callOptions);
        }
      };
    return ConsumerGroupServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Manages consumer groups. Members read through StreamingService.ConsumeFrames. For words, errors, unknown values and retries
   * see StreamingService. Every RPC that changes something writes an audit line with the caller and, where the request has one,
   * the reason.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Creates a consumer group.
     * - Ordering: the start position is fixed when the call is answered.
     * - Retry: safe. If the group exists with equal settings and the same start, the stored group is returned, and its position
     *   stays.
     * - Status: ALREADY_EXISTS (the settings differ), INVALID_ARGUMENT (CURSOR_INVALID), OUT_OF_RANGE (CURSOR_TRIMMED,
     *   POSITION_IN_FUTURE), RESOURCE_EXHAUSTED (TOO_MANY_GROUPS).
     * </pre>
     */
    default void createConsumerGroup(example.frameway.v1.CreateConsumerGroupRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.CreateConsumerGroupResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCreateConsumerGroupMethod(), responseObserver);
    }

    /**
     * <pre>
     * Reads a group's settings and status.
     * - Ordering: returns every change that was answered before.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND).
     * </pre>
     */
    default void getConsumerGroup(example.frameway.v1.GetConsumerGroupRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.GetConsumerGroupResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetConsumerGroupMethod(), responseObserver);
    }

    /**
     * <pre>
     * Reads the groups in pages.
     * - Ordering: by group id. Groups that are created or deleted meanwhile may be missing; no other is missing or repeated.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    default void listConsumerGroups(example.frameway.v1.ListConsumerGroupsRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ListConsumerGroupsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListConsumerGroupsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Reads a group's position in each of its streams, in pages.
     * - Ordering: by stream id.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    default void listConsumerGroupPositions(example.frameway.v1.ListConsumerGroupPositionsRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ListConsumerGroupPositionsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListConsumerGroupPositionsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Changes settings of a group. They apply to frames that members are given after the answer; those given before may still
     * arrive. The position in a stream that is no longer selected is removed.
     * - Ordering: updates that run at the same time apply one after the other.
     * - Retry: send the etag, so that a repeat cannot undo another client's change: it answers ABORTED if the first call took
     *   effect.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (UPDATE_MASK_INVALID), ABORTED (ETAG_MISMATCH; without an etag
     *   only if others keep changing the group).
     * </pre>
     */
    default void updateConsumerGroup(example.frameway.v1.UpdateConsumerGroupRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.UpdateConsumerGroupResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getUpdateConsumerGroupMethod(), responseObserver);
    }

    /**
     * <pre>
     * Moves a group's position in its streams or some of them. Outstanding frames of these are forgotten, and all ack ids from
     * before become stale.
     * - Ordering: frames that members are given after the answer are from the new position; those given before may still arrive.
     * - Retry: send the etag: a repeat answers ABORTED if the first call took effect. Without it a repeat moves the group again.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (CURSOR_INVALID), OUT_OF_RANGE (CURSOR_TRIMMED, POSITION_IN_FUTURE),
     *   ABORTED (ETAG_MISMATCH).
     * </pre>
     */
    default void seekConsumerGroup(example.frameway.v1.SeekConsumerGroupRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.SeekConsumerGroupResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getSeekConsumerGroupMethod(), responseObserver);
    }

    /**
     * <pre>
     * Removes a group with its positions. Its members' calls end with NOT_FOUND (GROUP_DELETED). Its dead letters are kept.
     * - Ordering: no member is given a frame after the answer; those given before may still arrive.
     * - Retry: a repeat answers NOT_FOUND if the first call took effect. Send the etag, so that a repeat cannot remove a group
     *   that was created in between.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND), ABORTED (ETAG_MISMATCH).
     * </pre>
     */
    default void deleteConsumerGroup(example.frameway.v1.DeleteConsumerGroupRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.DeleteConsumerGroupResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getDeleteConsumerGroupMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service ConsumerGroupService.
   * <pre>
   * Manages consumer groups. Members read through StreamingService.ConsumeFrames. For words, errors, unknown values and retries
   * see StreamingService. Every RPC that changes something writes an audit line with the caller and, where the request has one,
   * the reason.
   * </pre>
   */
  public static abstract class ConsumerGroupServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return ConsumerGroupServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service ConsumerGroupService.
   * <pre>
   * Manages consumer groups. Members read through StreamingService.ConsumeFrames. For words, errors, unknown values and retries
   * see StreamingService. Every RPC that changes something writes an audit line with the caller and, where the request has one,
   * the reason.
   * </pre>
   */
  public static final class ConsumerGroupServiceStub
      extends io.grpc.stub.AbstractAsyncStub<ConsumerGroupServiceStub> {
    private ConsumerGroupServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ConsumerGroupServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ConsumerGroupServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Creates a consumer group.
     * - Ordering: the start position is fixed when the call is answered.
     * - Retry: safe. If the group exists with equal settings and the same start, the stored group is returned, and its position
     *   stays.
     * - Status: ALREADY_EXISTS (the settings differ), INVALID_ARGUMENT (CURSOR_INVALID), OUT_OF_RANGE (CURSOR_TRIMMED,
     *   POSITION_IN_FUTURE), RESOURCE_EXHAUSTED (TOO_MANY_GROUPS).
     * </pre>
     */
    public void createConsumerGroup(example.frameway.v1.CreateConsumerGroupRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.CreateConsumerGroupResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCreateConsumerGroupMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Reads a group's settings and status.
     * - Ordering: returns every change that was answered before.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND).
     * </pre>
     */
    public void getConsumerGroup(example.frameway.v1.GetConsumerGroupRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.GetConsumerGroupResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetConsumerGroupMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Reads the groups in pages.
     * - Ordering: by group id. Groups that are created or deleted meanwhile may be missing; no other is missing or repeated.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public void listConsumerGroups(example.frameway.v1.ListConsumerGroupsRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ListConsumerGroupsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListConsumerGroupsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Reads a group's position in each of its streams, in pages.
     * - Ordering: by stream id.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public void listConsumerGroupPositions(example.frameway.v1.ListConsumerGroupPositionsRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ListConsumerGroupPositionsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListConsumerGroupPositionsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Changes settings of a group. They apply to frames that members are given after the answer; those given before may still
     * arrive. The position in a stream that is no longer selected is removed.
     * - Ordering: updates that run at the same time apply one after the other.
     * - Retry: send the etag, so that a repeat cannot undo another client's change: it answers ABORTED if the first call took
     *   effect.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (UPDATE_MASK_INVALID), ABORTED (ETAG_MISMATCH; without an etag
     *   only if others keep changing the group).
     * </pre>
     */
    public void updateConsumerGroup(example.frameway.v1.UpdateConsumerGroupRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.UpdateConsumerGroupResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getUpdateConsumerGroupMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Moves a group's position in its streams or some of them. Outstanding frames of these are forgotten, and all ack ids from
     * before become stale.
     * - Ordering: frames that members are given after the answer are from the new position; those given before may still arrive.
     * - Retry: send the etag: a repeat answers ABORTED if the first call took effect. Without it a repeat moves the group again.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (CURSOR_INVALID), OUT_OF_RANGE (CURSOR_TRIMMED, POSITION_IN_FUTURE),
     *   ABORTED (ETAG_MISMATCH).
     * </pre>
     */
    public void seekConsumerGroup(example.frameway.v1.SeekConsumerGroupRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.SeekConsumerGroupResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getSeekConsumerGroupMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Removes a group with its positions. Its members' calls end with NOT_FOUND (GROUP_DELETED). Its dead letters are kept.
     * - Ordering: no member is given a frame after the answer; those given before may still arrive.
     * - Retry: a repeat answers NOT_FOUND if the first call took effect. Send the etag, so that a repeat cannot remove a group
     *   that was created in between.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND), ABORTED (ETAG_MISMATCH).
     * </pre>
     */
    public void deleteConsumerGroup(example.frameway.v1.DeleteConsumerGroupRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.DeleteConsumerGroupResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getDeleteConsumerGroupMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service ConsumerGroupService.
   * <pre>
   * Manages consumer groups. Members read through StreamingService.ConsumeFrames. For words, errors, unknown values and retries
   * see StreamingService. Every RPC that changes something writes an audit line with the caller and, where the request has one,
   * the reason.
   * </pre>
   */
  public static final class ConsumerGroupServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<ConsumerGroupServiceBlockingV2Stub> {
    private ConsumerGroupServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ConsumerGroupServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ConsumerGroupServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Creates a consumer group.
     * - Ordering: the start position is fixed when the call is answered.
     * - Retry: safe. If the group exists with equal settings and the same start, the stored group is returned, and its position
     *   stays.
     * - Status: ALREADY_EXISTS (the settings differ), INVALID_ARGUMENT (CURSOR_INVALID), OUT_OF_RANGE (CURSOR_TRIMMED,
     *   POSITION_IN_FUTURE), RESOURCE_EXHAUSTED (TOO_MANY_GROUPS).
     * </pre>
     */
    public example.frameway.v1.CreateConsumerGroupResponse createConsumerGroup(example.frameway.v1.CreateConsumerGroupRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCreateConsumerGroupMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads a group's settings and status.
     * - Ordering: returns every change that was answered before.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND).
     * </pre>
     */
    public example.frameway.v1.GetConsumerGroupResponse getConsumerGroup(example.frameway.v1.GetConsumerGroupRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetConsumerGroupMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads the groups in pages.
     * - Ordering: by group id. Groups that are created or deleted meanwhile may be missing; no other is missing or repeated.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public example.frameway.v1.ListConsumerGroupsResponse listConsumerGroups(example.frameway.v1.ListConsumerGroupsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListConsumerGroupsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads a group's position in each of its streams, in pages.
     * - Ordering: by stream id.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public example.frameway.v1.ListConsumerGroupPositionsResponse listConsumerGroupPositions(example.frameway.v1.ListConsumerGroupPositionsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListConsumerGroupPositionsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes settings of a group. They apply to frames that members are given after the answer; those given before may still
     * arrive. The position in a stream that is no longer selected is removed.
     * - Ordering: updates that run at the same time apply one after the other.
     * - Retry: send the etag, so that a repeat cannot undo another client's change: it answers ABORTED if the first call took
     *   effect.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (UPDATE_MASK_INVALID), ABORTED (ETAG_MISMATCH; without an etag
     *   only if others keep changing the group).
     * </pre>
     */
    public example.frameway.v1.UpdateConsumerGroupResponse updateConsumerGroup(example.frameway.v1.UpdateConsumerGroupRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getUpdateConsumerGroupMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Moves a group's position in its streams or some of them. Outstanding frames of these are forgotten, and all ack ids from
     * before become stale.
     * - Ordering: frames that members are given after the answer are from the new position; those given before may still arrive.
     * - Retry: send the etag: a repeat answers ABORTED if the first call took effect. Without it a repeat moves the group again.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (CURSOR_INVALID), OUT_OF_RANGE (CURSOR_TRIMMED, POSITION_IN_FUTURE),
     *   ABORTED (ETAG_MISMATCH).
     * </pre>
     */
    public example.frameway.v1.SeekConsumerGroupResponse seekConsumerGroup(example.frameway.v1.SeekConsumerGroupRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getSeekConsumerGroupMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Removes a group with its positions. Its members' calls end with NOT_FOUND (GROUP_DELETED). Its dead letters are kept.
     * - Ordering: no member is given a frame after the answer; those given before may still arrive.
     * - Retry: a repeat answers NOT_FOUND if the first call took effect. Send the etag, so that a repeat cannot remove a group
     *   that was created in between.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND), ABORTED (ETAG_MISMATCH).
     * </pre>
     */
    public example.frameway.v1.DeleteConsumerGroupResponse deleteConsumerGroup(example.frameway.v1.DeleteConsumerGroupRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getDeleteConsumerGroupMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service ConsumerGroupService.
   * <pre>
   * Manages consumer groups. Members read through StreamingService.ConsumeFrames. For words, errors, unknown values and retries
   * see StreamingService. Every RPC that changes something writes an audit line with the caller and, where the request has one,
   * the reason.
   * </pre>
   */
  public static final class ConsumerGroupServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<ConsumerGroupServiceBlockingStub> {
    private ConsumerGroupServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ConsumerGroupServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ConsumerGroupServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Creates a consumer group.
     * - Ordering: the start position is fixed when the call is answered.
     * - Retry: safe. If the group exists with equal settings and the same start, the stored group is returned, and its position
     *   stays.
     * - Status: ALREADY_EXISTS (the settings differ), INVALID_ARGUMENT (CURSOR_INVALID), OUT_OF_RANGE (CURSOR_TRIMMED,
     *   POSITION_IN_FUTURE), RESOURCE_EXHAUSTED (TOO_MANY_GROUPS).
     * </pre>
     */
    public example.frameway.v1.CreateConsumerGroupResponse createConsumerGroup(example.frameway.v1.CreateConsumerGroupRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCreateConsumerGroupMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads a group's settings and status.
     * - Ordering: returns every change that was answered before.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND).
     * </pre>
     */
    public example.frameway.v1.GetConsumerGroupResponse getConsumerGroup(example.frameway.v1.GetConsumerGroupRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetConsumerGroupMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads the groups in pages.
     * - Ordering: by group id. Groups that are created or deleted meanwhile may be missing; no other is missing or repeated.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public example.frameway.v1.ListConsumerGroupsResponse listConsumerGroups(example.frameway.v1.ListConsumerGroupsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListConsumerGroupsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads a group's position in each of its streams, in pages.
     * - Ordering: by stream id.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public example.frameway.v1.ListConsumerGroupPositionsResponse listConsumerGroupPositions(example.frameway.v1.ListConsumerGroupPositionsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListConsumerGroupPositionsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes settings of a group. They apply to frames that members are given after the answer; those given before may still
     * arrive. The position in a stream that is no longer selected is removed.
     * - Ordering: updates that run at the same time apply one after the other.
     * - Retry: send the etag, so that a repeat cannot undo another client's change: it answers ABORTED if the first call took
     *   effect.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (UPDATE_MASK_INVALID), ABORTED (ETAG_MISMATCH; without an etag
     *   only if others keep changing the group).
     * </pre>
     */
    public example.frameway.v1.UpdateConsumerGroupResponse updateConsumerGroup(example.frameway.v1.UpdateConsumerGroupRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getUpdateConsumerGroupMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Moves a group's position in its streams or some of them. Outstanding frames of these are forgotten, and all ack ids from
     * before become stale.
     * - Ordering: frames that members are given after the answer are from the new position; those given before may still arrive.
     * - Retry: send the etag: a repeat answers ABORTED if the first call took effect. Without it a repeat moves the group again.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (CURSOR_INVALID), OUT_OF_RANGE (CURSOR_TRIMMED, POSITION_IN_FUTURE),
     *   ABORTED (ETAG_MISMATCH).
     * </pre>
     */
    public example.frameway.v1.SeekConsumerGroupResponse seekConsumerGroup(example.frameway.v1.SeekConsumerGroupRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getSeekConsumerGroupMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Removes a group with its positions. Its members' calls end with NOT_FOUND (GROUP_DELETED). Its dead letters are kept.
     * - Ordering: no member is given a frame after the answer; those given before may still arrive.
     * - Retry: a repeat answers NOT_FOUND if the first call took effect. Send the etag, so that a repeat cannot remove a group
     *   that was created in between.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND), ABORTED (ETAG_MISMATCH).
     * </pre>
     */
    public example.frameway.v1.DeleteConsumerGroupResponse deleteConsumerGroup(example.frameway.v1.DeleteConsumerGroupRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getDeleteConsumerGroupMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service ConsumerGroupService.
   * <pre>
   * Manages consumer groups. Members read through StreamingService.ConsumeFrames. For words, errors, unknown values and retries
   * see StreamingService. Every RPC that changes something writes an audit line with the caller and, where the request has one,
   * the reason.
   * </pre>
   */
  public static final class ConsumerGroupServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<ConsumerGroupServiceFutureStub> {
    private ConsumerGroupServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ConsumerGroupServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ConsumerGroupServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Creates a consumer group.
     * - Ordering: the start position is fixed when the call is answered.
     * - Retry: safe. If the group exists with equal settings and the same start, the stored group is returned, and its position
     *   stays.
     * - Status: ALREADY_EXISTS (the settings differ), INVALID_ARGUMENT (CURSOR_INVALID), OUT_OF_RANGE (CURSOR_TRIMMED,
     *   POSITION_IN_FUTURE), RESOURCE_EXHAUSTED (TOO_MANY_GROUPS).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.CreateConsumerGroupResponse> createConsumerGroup(
        example.frameway.v1.CreateConsumerGroupRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCreateConsumerGroupMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Reads a group's settings and status.
     * - Ordering: returns every change that was answered before.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.GetConsumerGroupResponse> getConsumerGroup(
        example.frameway.v1.GetConsumerGroupRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetConsumerGroupMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Reads the groups in pages.
     * - Ordering: by group id. Groups that are created or deleted meanwhile may be missing; no other is missing or repeated.
     * - Retry: safe, reads only.
     * - Status: INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.ListConsumerGroupsResponse> listConsumerGroups(
        example.frameway.v1.ListConsumerGroupsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListConsumerGroupsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Reads a group's position in each of its streams, in pages.
     * - Ordering: by stream id.
     * - Retry: safe, reads only.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (FILTER_INVALID, PAGE_TOKEN_INVALID).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.ListConsumerGroupPositionsResponse> listConsumerGroupPositions(
        example.frameway.v1.ListConsumerGroupPositionsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListConsumerGroupPositionsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Changes settings of a group. They apply to frames that members are given after the answer; those given before may still
     * arrive. The position in a stream that is no longer selected is removed.
     * - Ordering: updates that run at the same time apply one after the other.
     * - Retry: send the etag, so that a repeat cannot undo another client's change: it answers ABORTED if the first call took
     *   effect.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (UPDATE_MASK_INVALID), ABORTED (ETAG_MISMATCH; without an etag
     *   only if others keep changing the group).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.UpdateConsumerGroupResponse> updateConsumerGroup(
        example.frameway.v1.UpdateConsumerGroupRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getUpdateConsumerGroupMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Moves a group's position in its streams or some of them. Outstanding frames of these are forgotten, and all ack ids from
     * before become stale.
     * - Ordering: frames that members are given after the answer are from the new position; those given before may still arrive.
     * - Retry: send the etag: a repeat answers ABORTED if the first call took effect. Without it a repeat moves the group again.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (CURSOR_INVALID), OUT_OF_RANGE (CURSOR_TRIMMED, POSITION_IN_FUTURE),
     *   ABORTED (ETAG_MISMATCH).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.SeekConsumerGroupResponse> seekConsumerGroup(
        example.frameway.v1.SeekConsumerGroupRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getSeekConsumerGroupMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Removes a group with its positions. Its members' calls end with NOT_FOUND (GROUP_DELETED). Its dead letters are kept.
     * - Ordering: no member is given a frame after the answer; those given before may still arrive.
     * - Retry: a repeat answers NOT_FOUND if the first call took effect. Send the etag, so that a repeat cannot remove a group
     *   that was created in between.
     * - Status: NOT_FOUND (GROUP_NOT_FOUND), ABORTED (ETAG_MISMATCH).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.DeleteConsumerGroupResponse> deleteConsumerGroup(
        example.frameway.v1.DeleteConsumerGroupRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getDeleteConsumerGroupMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_CREATE_CONSUMER_GROUP = 0;
  private static final int METHODID_GET_CONSUMER_GROUP = 1;
  private static final int METHODID_LIST_CONSUMER_GROUPS = 2;
  private static final int METHODID_LIST_CONSUMER_GROUP_POSITIONS = 3;
  private static final int METHODID_UPDATE_CONSUMER_GROUP = 4;
  private static final int METHODID_SEEK_CONSUMER_GROUP = 5;
  private static final int METHODID_DELETE_CONSUMER_GROUP = 6;

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
        case METHODID_CREATE_CONSUMER_GROUP:
          serviceImpl.createConsumerGroup((example.frameway.v1.CreateConsumerGroupRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.CreateConsumerGroupResponse>) responseObserver);
          break;
        case METHODID_GET_CONSUMER_GROUP:
          serviceImpl.getConsumerGroup((example.frameway.v1.GetConsumerGroupRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.GetConsumerGroupResponse>) responseObserver);
          break;
        case METHODID_LIST_CONSUMER_GROUPS:
          serviceImpl.listConsumerGroups((example.frameway.v1.ListConsumerGroupsRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.ListConsumerGroupsResponse>) responseObserver);
          break;
        case METHODID_LIST_CONSUMER_GROUP_POSITIONS:
          serviceImpl.listConsumerGroupPositions((example.frameway.v1.ListConsumerGroupPositionsRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.ListConsumerGroupPositionsResponse>) responseObserver);
          break;
        case METHODID_UPDATE_CONSUMER_GROUP:
          serviceImpl.updateConsumerGroup((example.frameway.v1.UpdateConsumerGroupRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.UpdateConsumerGroupResponse>) responseObserver);
          break;
        case METHODID_SEEK_CONSUMER_GROUP:
          serviceImpl.seekConsumerGroup((example.frameway.v1.SeekConsumerGroupRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.SeekConsumerGroupResponse>) responseObserver);
          break;
        case METHODID_DELETE_CONSUMER_GROUP:
          serviceImpl.deleteConsumerGroup((example.frameway.v1.DeleteConsumerGroupRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.DeleteConsumerGroupResponse>) responseObserver);
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
          getCreateConsumerGroupMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.CreateConsumerGroupRequest,
              example.frameway.v1.CreateConsumerGroupResponse>(
                service, METHODID_CREATE_CONSUMER_GROUP)))
        .addMethod(
          getGetConsumerGroupMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.GetConsumerGroupRequest,
              example.frameway.v1.GetConsumerGroupResponse>(
                service, METHODID_GET_CONSUMER_GROUP)))
        .addMethod(
          getListConsumerGroupsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.ListConsumerGroupsRequest,
              example.frameway.v1.ListConsumerGroupsResponse>(
                service, METHODID_LIST_CONSUMER_GROUPS)))
        .addMethod(
          getListConsumerGroupPositionsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.ListConsumerGroupPositionsRequest,
              example.frameway.v1.ListConsumerGroupPositionsResponse>(
                service, METHODID_LIST_CONSUMER_GROUP_POSITIONS)))
        .addMethod(
          getUpdateConsumerGroupMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.UpdateConsumerGroupRequest,
              example.frameway.v1.UpdateConsumerGroupResponse>(
                service, METHODID_UPDATE_CONSUMER_GROUP)))
        .addMethod(
          getSeekConsumerGroupMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.SeekConsumerGroupRequest,
              example.frameway.v1.SeekConsumerGroupResponse>(
                service, METHODID_SEEK_CONSUMER_GROUP)))
        .addMethod(
          getDeleteConsumerGroupMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.DeleteConsumerGroupRequest,
              example.frameway.v1.DeleteConsumerGroupResponse>(
                service, METHODID_DELETE_CONSUMER_GROUP)))
        .build();
  }

  private static abstract class ConsumerGroupServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    ConsumerGroupServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return example.frameway.v1.ConsumerGroupServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("ConsumerGroupService");
    }
  }

  private static final class ConsumerGroupServiceFileDescriptorSupplier
      extends ConsumerGroupServiceBaseDescriptorSupplier {
    ConsumerGroupServiceFileDescriptorSupplier() {}
  }

  private static final class ConsumerGroupServiceMethodDescriptorSupplier
      extends ConsumerGroupServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    ConsumerGroupServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (ConsumerGroupServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new ConsumerGroupServiceFileDescriptorSupplier())
              .addMethod(getCreateConsumerGroupMethod())
              .addMethod(getGetConsumerGroupMethod())
              .addMethod(getListConsumerGroupsMethod())
              .addMethod(getListConsumerGroupPositionsMethod())
              .addMethod(getUpdateConsumerGroupMethod())
              .addMethod(getSeekConsumerGroupMethod())
              .addMethod(getDeleteConsumerGroupMethod())
              .build();
        }
      }
    }
    return result;
  }
}
