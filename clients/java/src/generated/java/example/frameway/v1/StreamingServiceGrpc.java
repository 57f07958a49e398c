package example.frameway.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Carries frames from cameras to subscribers. To register a stream, submit a picture, and read it back:
 *   grpcurl -plaintext -d '{"stream": {"stream_id": "road-1"}}' &#92;
 *     127.0.0.1:7400 frameway.v1.StreamRegistryService/RegisterStream
 *   echo '{"frames": [{"stream_id": "road-1", "data": "'$(base64 &lt; road.jpg | tr -d '&#92;n')'"}]}' |
 *     grpcurl -plaintext -d &#64; 127.0.0.1:7400 frameway.v1.StreamingService/SubmitFrameBatch
 *   grpcurl -plaintext -d '{"stop_after_frames": 1, "selectors": [{"streams": [{"id": "road-1"}], "start": {"earliest": {}}}]}' &#92;
 *     127.0.0.1:7400 frameway.v1.StreamingService/SubscribeFrames
 * Words:
 * - A stream is one camera. A frame is one picture of it, and gets a sequence when it is accepted: 1, 2, 3, and so on.
 * - Each stream belongs to one partition for good. Its accepted frames wait in the partition's work queue, and a worker turns
 *   each into a processed frame (pictures and measures) or, where there is no picture, a tombstone.
 * - Both are published to the stream's output, in order of sequence, and are kept there as long as the stream's RetentionPolicy
 *   says.
 * - A subscription (SubscribeFrames) reads outputs by itself. A consumer group (ConsumeFrames) shares the frames among its
 *   members, each of which acknowledges what it has handled.
 * - A gap says which sequences a reader does not get, and why. A cursor is a position in an output. The head is its newest
 *   entry.
 * - A dead letter is a stored frame that could not be processed or handled.
 * - Durability (GetServerInfo) is what an accepted frame survives.
 * Rules for every field: every uint64 is below 2^53, so that it fits a double; a higher one is INVALID_FIELD. If a field has a
 * default, unset means the default; for a field without presence, 0, empty, false or unspecified is unset. Bounds are
 * inclusive. Text is UTF-8. Times are in the years 1 to 9999. GetServerInfo.limits has the maxima in force.
 * Errors are google.rpc.Status with the detail google.rpc.ErrorInfo (see ErrorReason) and, where they apply, BadRequest (field
 * paths), RetryInfo (when to try again), ResourceInfo, and RequestInfo (the request id). A call may bring its own request id in
 * the metadata `x-request-id` (at most 128 characters); otherwise the server makes one. The response metadata `x-request-id`
 * returns it.
 * Any RPC may answer, beside the status codes that it lists: INVALID_ARGUMENT (INVALID_FIELD, INVALID_STREAM_ID, TOO_MANY_ITEMS,
 * UNKNOWN_FIELD, PROTOCOL_VIOLATION), UNAUTHENTICATED, PERMISSION_DENIED, RESOURCE_EXHAUSTED (QUOTA_EXCEEDED
 * with RetryInfo; BATCH_TOO_LARGE, METADATA_TOO_LARGE), UNAVAILABLE with RetryInfo (BACKEND_UNAVAILABLE, DRAINING),
 * DEADLINE_EXCEEDED, UNIMPLEMENTED (NOT_IMPLEMENTED) and INTERNAL. A call that is refused changes nothing. After UNAVAILABLE,
 * DEADLINE_EXCEEDED and INTERNAL it may have taken effect.
 * Newer and older programs:
 * - A server refuses what it does not know: an enum value, a oneof that is present without a known case, and (all RPCs but
 *   SubmitFrameBatch and SubmitFrames) any unknown field. Nothing is done then; in a batch, only the frame at fault is rejected.
 * - A client must expect enum values, oneof cases and fields that it does not know in responses. Ignore an unknown event and an
 *   unknown field. Treat an unset FrameResult as unconfirmed, an unset AckResult or DeadLetterResult as refused, an unset
 *   FrameLookup or LatestFrame as missing, an unknown GapReason as a gap, an unknown state as a state that needs no action.
 * - Before a client uses what was added after the first version of this API, it checks GetServerInfo.features.
 * Permissions: credentials come in the metadata `authorization` (`Bearer ...`: an API key or a token), or are the client's
 * certificate. They name a principal, which has grants. Publisher ids and member ids belong to the principal: two principals
 * may use the same ones. Globs, labels, lists and watches see what the caller may read. A resource that is named by its id and
 * may not be used is PERMISSION_DENIED, whether it exists or not. A picture that may not be read is omitted (NOT_PERMITTED). A
 * call that lasts ends with UNAUTHENTICATED when its credentials are revoked or expire, and with UNAVAILABLE (DRAINING) when
 * the caller's grants change. A server that does not authenticate treats all callers as one principal that may do everything.
 * Retries: if an RPC is called safe to retry, send it again after UNAVAILABLE, DEADLINE_EXCEEDED, and a CANCELLED that the
 * caller did not ask for. proto/frameway_v1_service_config.json has timeouts and retries for gRPC clients.
 * Transport: content type application/grpc or application/grpc+proto; messages uncompressed. The server enforces a call's
 * deadline over the whole call. A connection may have a maximum age: calls on it then end as when the server drains. On calls
 * that last, treat three heartbeat intervals without any message (at least 15 s before the first one) as a lost connection:
 * cancel, and open another.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class StreamingServiceGrpc {

  private StreamingServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "frameway.v1.StreamingService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.SubmitFrameBatchRequest,
      example.frameway.v1.SubmitFrameBatchResponse> getSubmitFrameBatchMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "SubmitFrameBatch",
      requestType = example.frameway.v1.SubmitFrameBatchRequest.class,
      responseType = example.frameway.v1.SubmitFrameBatchResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.SubmitFrameBatchRequest,
      example.frameway.v1.SubmitFrameBatchResponse> getSubmitFrameBatchMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.SubmitFrameBatchRequest, example.frameway.v1.SubmitFrameBatchResponse> getSubmitFrameBatchMethod;
    if ((getSubmitFrameBatchMethod = StreamingServiceGrpc.getSubmitFrameBatchMethod) == null) {
      synchronized (StreamingServiceGrpc.class) {
        if ((getSubmitFrameBatchMethod = StreamingServiceGrpc.getSubmitFrameBatchMethod) == null) {
          StreamingServiceGrpc.getSubmitFrameBatchMethod = getSubmitFrameBatchMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.SubmitFrameBatchRequest, example.frameway.v1.SubmitFrameBatchResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "SubmitFrameBatch"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.SubmitFrameBatchRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.SubmitFrameBatchResponse.getDefaultInstance()))
              .setSchemaDescriptor(new StreamingServiceMethodDescriptorSupplier("SubmitFrameBatch"))
              .build();
        }
      }
    }
    return getSubmitFrameBatchMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.SubmitFramesRequest,
      example.frameway.v1.SubmitFramesResponse> getSubmitFramesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "SubmitFrames",
      requestType = example.frameway.v1.SubmitFramesRequest.class,
      responseType = example.frameway.v1.SubmitFramesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
  public static io.grpc.MethodDescriptor<example.frameway.v1.SubmitFramesRequest,
      example.frameway.v1.SubmitFramesResponse> getSubmitFramesMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.SubmitFramesRequest, example.frameway.v1.SubmitFramesResponse> getSubmitFramesMethod;
    if ((getSubmitFramesMethod = StreamingServiceGrpc.getSubmitFramesMethod) == null) {
      synchronized (StreamingServiceGrpc.class) {
        if ((getSubmitFramesMethod = StreamingServiceGrpc.getSubmitFramesMethod) == null) {
          StreamingServiceGrpc.getSubmitFramesMethod = getSubmitFramesMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.SubmitFramesRequest, example.frameway.v1.SubmitFramesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "SubmitFrames"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.SubmitFramesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.SubmitFramesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new StreamingServiceMethodDescriptorSupplier("SubmitFrames"))
              .build();
        }
      }
    }
    return getSubmitFramesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.SubscribeFramesRequest,
      example.frameway.v1.SubscribeFramesResponse> getSubscribeFramesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "SubscribeFrames",
      requestType = example.frameway.v1.SubscribeFramesRequest.class,
      responseType = example.frameway.v1.SubscribeFramesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<example.frameway.v1.SubscribeFramesRequest,
      example.frameway.v1.SubscribeFramesResponse> getSubscribeFramesMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.SubscribeFramesRequest, example.frameway.v1.SubscribeFramesResponse> getSubscribeFramesMethod;
    if ((getSubscribeFramesMethod = StreamingServiceGrpc.getSubscribeFramesMethod) == null) {
      synchronized (StreamingServiceGrpc.class) {
        if ((getSubscribeFramesMethod = StreamingServiceGrpc.getSubscribeFramesMethod) == null) {
          StreamingServiceGrpc.getSubscribeFramesMethod = getSubscribeFramesMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.SubscribeFramesRequest, example.frameway.v1.SubscribeFramesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "SubscribeFrames"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.SubscribeFramesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.SubscribeFramesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new StreamingServiceMethodDescriptorSupplier("SubscribeFrames"))
              .build();
        }
      }
    }
    return getSubscribeFramesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.ConsumeFramesRequest,
      example.frameway.v1.ConsumeFramesResponse> getConsumeFramesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ConsumeFrames",
      requestType = example.frameway.v1.ConsumeFramesRequest.class,
      responseType = example.frameway.v1.ConsumeFramesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<example.frameway.v1.ConsumeFramesRequest,
      example.frameway.v1.ConsumeFramesResponse> getConsumeFramesMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.ConsumeFramesRequest, example.frameway.v1.ConsumeFramesResponse> getConsumeFramesMethod;
    if ((getConsumeFramesMethod = StreamingServiceGrpc.getConsumeFramesMethod) == null) {
      synchronized (StreamingServiceGrpc.class) {
        if ((getConsumeFramesMethod = StreamingServiceGrpc.getConsumeFramesMethod) == null) {
          StreamingServiceGrpc.getConsumeFramesMethod = getConsumeFramesMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.ConsumeFramesRequest, example.frameway.v1.ConsumeFramesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ConsumeFrames"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ConsumeFramesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ConsumeFramesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new StreamingServiceMethodDescriptorSupplier("ConsumeFrames"))
              .build();
        }
      }
    }
    return getConsumeFramesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.AcknowledgeFramesRequest,
      example.frameway.v1.AcknowledgeFramesResponse> getAcknowledgeFramesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "AcknowledgeFrames",
      requestType = example.frameway.v1.AcknowledgeFramesRequest.class,
      responseType = example.frameway.v1.AcknowledgeFramesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.AcknowledgeFramesRequest,
      example.frameway.v1.AcknowledgeFramesResponse> getAcknowledgeFramesMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.AcknowledgeFramesRequest, example.frameway.v1.AcknowledgeFramesResponse> getAcknowledgeFramesMethod;
    if ((getAcknowledgeFramesMethod = StreamingServiceGrpc.getAcknowledgeFramesMethod) == null) {
      synchronized (StreamingServiceGrpc.class) {
        if ((getAcknowledgeFramesMethod = StreamingServiceGrpc.getAcknowledgeFramesMethod) == null) {
          StreamingServiceGrpc.getAcknowledgeFramesMethod = getAcknowledgeFramesMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.AcknowledgeFramesRequest, example.frameway.v1.AcknowledgeFramesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "AcknowledgeFrames"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.AcknowledgeFramesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.AcknowledgeFramesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new StreamingServiceMethodDescriptorSupplier("AcknowledgeFrames"))
              .build();
        }
      }
    }
    return getAcknowledgeFramesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.RejectFramesRequest,
      example.frameway.v1.RejectFramesResponse> getRejectFramesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RejectFrames",
      requestType = example.frameway.v1.RejectFramesRequest.class,
      responseType = example.frameway.v1.RejectFramesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.RejectFramesRequest,
      example.frameway.v1.RejectFramesResponse> getRejectFramesMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.RejectFramesRequest, example.frameway.v1.RejectFramesResponse> getRejectFramesMethod;
    if ((getRejectFramesMethod = StreamingServiceGrpc.getRejectFramesMethod) == null) {
      synchronized (StreamingServiceGrpc.class) {
        if ((getRejectFramesMethod = StreamingServiceGrpc.getRejectFramesMethod) == null) {
          StreamingServiceGrpc.getRejectFramesMethod = getRejectFramesMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.RejectFramesRequest, example.frameway.v1.RejectFramesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RejectFrames"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.RejectFramesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.RejectFramesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new StreamingServiceMethodDescriptorSupplier("RejectFrames"))
              .build();
        }
      }
    }
    return getRejectFramesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.ExtendAckDeadlineRequest,
      example.frameway.v1.ExtendAckDeadlineResponse> getExtendAckDeadlineMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ExtendAckDeadline",
      requestType = example.frameway.v1.ExtendAckDeadlineRequest.class,
      responseType = example.frameway.v1.ExtendAckDeadlineResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.ExtendAckDeadlineRequest,
      example.frameway.v1.ExtendAckDeadlineResponse> getExtendAckDeadlineMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.ExtendAckDeadlineRequest, example.frameway.v1.ExtendAckDeadlineResponse> getExtendAckDeadlineMethod;
    if ((getExtendAckDeadlineMethod = StreamingServiceGrpc.getExtendAckDeadlineMethod) == null) {
      synchronized (StreamingServiceGrpc.class) {
        if ((getExtendAckDeadlineMethod = StreamingServiceGrpc.getExtendAckDeadlineMethod) == null) {
          StreamingServiceGrpc.getExtendAckDeadlineMethod = getExtendAckDeadlineMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.ExtendAckDeadlineRequest, example.frameway.v1.ExtendAckDeadlineResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ExtendAckDeadline"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ExtendAckDeadlineRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ExtendAckDeadlineResponse.getDefaultInstance()))
              .setSchemaDescriptor(new StreamingServiceMethodDescriptorSupplier("ExtendAckDeadline"))
              .build();
        }
      }
    }
    return getExtendAckDeadlineMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.GetFramesRequest,
      example.frameway.v1.GetFramesResponse> getGetFramesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetFrames",
      requestType = example.frameway.v1.GetFramesRequest.class,
      responseType = example.frameway.v1.GetFramesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.GetFramesRequest,
      example.frameway.v1.GetFramesResponse> getGetFramesMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.GetFramesRequest, example.frameway.v1.GetFramesResponse> getGetFramesMethod;
    if ((getGetFramesMethod = StreamingServiceGrpc.getGetFramesMethod) == null) {
      synchronized (StreamingServiceGrpc.class) {
        if ((getGetFramesMethod = StreamingServiceGrpc.getGetFramesMethod) == null) {
          StreamingServiceGrpc.getGetFramesMethod = getGetFramesMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.GetFramesRequest, example.frameway.v1.GetFramesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetFrames"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.GetFramesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.GetFramesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new StreamingServiceMethodDescriptorSupplier("GetFrames"))
              .build();
        }
      }
    }
    return getGetFramesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.GetLatestFramesRequest,
      example.frameway.v1.GetLatestFramesResponse> getGetLatestFramesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetLatestFrames",
      requestType = example.frameway.v1.GetLatestFramesRequest.class,
      responseType = example.frameway.v1.GetLatestFramesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.GetLatestFramesRequest,
      example.frameway.v1.GetLatestFramesResponse> getGetLatestFramesMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.GetLatestFramesRequest, example.frameway.v1.GetLatestFramesResponse> getGetLatestFramesMethod;
    if ((getGetLatestFramesMethod = StreamingServiceGrpc.getGetLatestFramesMethod) == null) {
      synchronized (StreamingServiceGrpc.class) {
        if ((getGetLatestFramesMethod = StreamingServiceGrpc.getGetLatestFramesMethod) == null) {
          StreamingServiceGrpc.getGetLatestFramesMethod = getGetLatestFramesMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.GetLatestFramesRequest, example.frameway.v1.GetLatestFramesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetLatestFrames"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.GetLatestFramesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.GetLatestFramesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new StreamingServiceMethodDescriptorSupplier("GetLatestFrames"))
              .build();
        }
      }
    }
    return getGetLatestFramesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.ListFramesRequest,
      example.frameway.v1.ListFramesResponse> getListFramesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListFrames",
      requestType = example.frameway.v1.ListFramesRequest.class,
      responseType = example.frameway.v1.ListFramesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.ListFramesRequest,
      example.frameway.v1.ListFramesResponse> getListFramesMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.ListFramesRequest, example.frameway.v1.ListFramesResponse> getListFramesMethod;
    if ((getListFramesMethod = StreamingServiceGrpc.getListFramesMethod) == null) {
      synchronized (StreamingServiceGrpc.class) {
        if ((getListFramesMethod = StreamingServiceGrpc.getListFramesMethod) == null) {
          StreamingServiceGrpc.getListFramesMethod = getListFramesMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.ListFramesRequest, example.frameway.v1.ListFramesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListFrames"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ListFramesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.ListFramesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new StreamingServiceMethodDescriptorSupplier("ListFrames"))
              .build();
        }
      }
    }
    return getListFramesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<example.frameway.v1.GetServerInfoRequest,
      example.frameway.v1.GetServerInfoResponse> getGetServerInfoMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetServerInfo",
      requestType = example.frameway.v1.GetServerInfoRequest.class,
      responseType = example.frameway.v1.GetServerInfoResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<example.frameway.v1.GetServerInfoRequest,
      example.frameway.v1.GetServerInfoResponse> getGetServerInfoMethod() {
    io.grpc.MethodDescriptor<example.frameway.v1.GetServerInfoRequest, example.frameway.v1.GetServerInfoResponse> getGetServerInfoMethod;
    if ((getGetServerInfoMethod = StreamingServiceGrpc.getGetServerInfoMethod) == null) {
      synchronized (StreamingServiceGrpc.class) {
        if ((getGetServerInfoMethod = StreamingServiceGrpc.getGetServerInfoMethod) == null) {
          StreamingServiceGrpc.getGetServerInfoMethod = getGetServerInfoMethod =
              io.grpc.MethodDescriptor.<example.frameway.v1.GetServerInfoRequest, example.frameway.v1.GetServerInfoResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetServerInfo"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.GetServerInfoRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  example.frameway.v1.GetServerInfoResponse.getDefaultInstance()))
              .setSchemaDescriptor(new StreamingServiceMethodDescriptorSupplier("GetServerInfo"))
              .build();
        }
      }
    }
    return getGetServerInfoMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static StreamingServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<StreamingServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<StreamingServiceStub>() {
        @java.lang.Override
        public StreamingServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new StreamingServiceStub(channel, callOptions);
        }
      };
    return StreamingServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static StreamingServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<StreamingServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<StreamingServiceBlockingV2Stub>() {
        @java.lang.Override
        public StreamingServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new StreamingServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return StreamingServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static StreamingServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<StreamingServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<StreamingServiceBlockingStub>() {
        @java.lang.Override
        public StreamingServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new StreamingServiceBlockingStub(channel, callOptions);
        }
      };
    return StreamingServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static StreamingServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<StreamingServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<StreamingServiceFutureStub>() {
        @java.lang.Override
        public StreamingServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new StreamingServiceFutureStub(channel, callOptions);
        }
      };
    return StreamingServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Carries frames from cameras to subscribers. To register a stream, submit a picture, and read it back:
   *   grpcurl -plaintext -d '{"stream": {"stream_id": "road-1"}}' &#92;
   *     127.0.0.1:7400 frameway.v1.StreamRegistryService/RegisterStream
   *   echo '{"frames": [{"stream_id": "road-1", "data": "'$(base64 &lt; road.jpg | tr -d '&#92;n')'"}]}' |
   *     grpcurl -plaintext -d &#64; 127.0.0.1:7400 frameway.v1.StreamingService/SubmitFrameBatch
   *   grpcurl -plaintext -d '{"stop_after_frames": 1, "selectors": [{"streams": [{"id": "road-1"}], "start": {"earliest": {}}}]}' &#92;
   *     127.0.0.1:7400 frameway.v1.StreamingService/SubscribeFrames
   * Words:
   * - A stream is one camera. A frame is one picture of it, and gets a sequence when it is accepted: 1, 2, 3, and so on.
   * - Each stream belongs to one partition for good. Its accepted frames wait in the partition's work queue, and a worker turns
   *   each into a processed frame (pictures and measures) or, where there is no picture, a tombstone.
   * - Both are published to the stream's output, in order of sequence, and are kept there as long as the stream's RetentionPolicy
   *   says.
   * - A subscription (SubscribeFrames) reads outputs by itself. A consumer group (ConsumeFrames) shares the frames among its
   *   members, each of which acknowledges what it has handled.
   * - A gap says which sequences a reader does not get, and why. A cursor is a position in an output. The head is its newest
   *   entry.
   * - A dead letter is a stored frame that could not be processed or handled.
   * - Durability (GetServerInfo) is what an accepted frame survives.
   * Rules for every field: every uint64 is below 2^53, so that it fits a double; a higher one is INVALID_FIELD. If a field has a
   * default, unset means the default; for a field without presence, 0, empty, false or unspecified is unset. Bounds are
   * inclusive. Text is UTF-8. Times are in the years 1 to 9999. GetServerInfo.limits has the maxima in force.
   * Errors are google.rpc.Status with the detail google.rpc.ErrorInfo (see ErrorReason) and, where they apply, BadRequest (field
   * paths), RetryInfo (when to try again), ResourceInfo, and RequestInfo (the request id). A call may bring its own request id in
   * the metadata `x-request-id` (at most 128 characters); otherwise the server makes one. The response metadata `x-request-id`
   * returns it.
   * Any RPC may answer, beside the status codes that it lists: INVALID_ARGUMENT (INVALID_FIELD, INVALID_STREAM_ID, TOO_MANY_ITEMS,
   * UNKNOWN_FIELD, PROTOCOL_VIOLATION), UNAUTHENTICATED, PERMISSION_DENIED, RESOURCE_EXHAUSTED (QUOTA_EXCEEDED
   * with RetryInfo; BATCH_TOO_LARGE, METADATA_TOO_LARGE), UNAVAILABLE with RetryInfo (BACKEND_UNAVAILABLE, DRAINING),
   * DEADLINE_EXCEEDED, UNIMPLEMENTED (NOT_IMPLEMENTED) and INTERNAL. A call that is refused changes nothing. After UNAVAILABLE,
   * DEADLINE_EXCEEDED and INTERNAL it may have taken effect.
   * Newer and older programs:
   * - A server refuses what it does not know: an enum value, a oneof that is present without a known case, and (all RPCs but
   *   SubmitFrameBatch and SubmitFrames) any unknown field. Nothing is done then; in a batch, only the frame at fault is rejected.
   * - A client must expect enum values, oneof cases and fields that it does not know in responses. Ignore an unknown event and an
   *   unknown field. Treat an unset FrameResult as unconfirmed, an unset AckResult or DeadLetterResult as refused, an unset
   *   FrameLookup or LatestFrame as missing, an unknown GapReason as a gap, an unknown state as a state that needs no action.
   * - Before a client uses what was added after the first version of this API, it checks GetServerInfo.features.
   * Permissions: credentials come in the metadata `authorization` (`Bearer ...`: an API key or a token), or are the client's
   * certificate. They name a principal, which has grants. Publisher ids and member ids belong to the principal: two principals
   * may use the same ones. Globs, labels, lists and watches see what the caller may read. A resource that is named by its id and
   * may not be used is PERMISSION_DENIED, whether it exists or not. A picture that may not be read is omitted (NOT_PERMITTED). A
   * call that lasts ends with UNAUTHENTICATED when its credentials are revoked or expire, and with UNAVAILABLE (DRAINING) when
   * the caller's grants change. A server that does not authenticate treats all callers as one principal that may do everything.
   * Retries: if an RPC is called safe to retry, send it again after UNAVAILABLE, DEADLINE_EXCEEDED, and a CANCELLED that the
   * caller did not ask for. proto/frameway_v1_service_config.json has timeouts and retries for gRPC clients.
   * Transport: content type application/grpc or application/grpc+proto; messages uncompressed. The server enforces a call's
   * deadline over the whole call. A connection may have a maximum age: calls on it then end as when the server drains. On calls
   * that last, treat three heartbeat intervals without any message (at least 15 s before the first one) as a lost connection:
   * cancel, and open another.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Stores 1 to 100 frames of any streams, and answers when they are stored at the server's durability.
     * - Ordering: frames of one stream and publisher get rising sequences in the order of the batch. After a refusal with a
     *   retry_delay, later frames of that stream in the batch are refused too (OUT_OF_ORDER). Calls that run at the same time are
     *   not ordered.
     * - Retry: safe for frames with publisher_id and publisher_sequence; others may be stored twice. If the call fails with
     *   UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED or INTERNAL, every frame counts as unconfirmed.
     * - Status: OK when frames were tried, with a result for each; a frame's own faults are in its result. INVALID_ARGUMENT
     *   (EMPTY_BATCH, TOO_MANY_FRAMES), RESOURCE_EXHAUSTED (BATCH_TOO_LARGE): no frame was tried. UNAVAILABLE
     *   (BACKEND_UNAVAILABLE): no frame was confirmed.
     * </pre>
     */
    default void submitFrameBatch(example.frameway.v1.SubmitFrameBatchRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.SubmitFrameBatchResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getSubmitFrameBatchMethod(), responseObserver);
    }

    /**
     * <pre>
     * Stores the batches of a live camera over one call: first a setup, then batches, each answered by its batch_id. Not for
     * browsers: gRPC-Web has no streams of requests.
     * - Ordering: batches are stored and answered in the order sent. After a refusal with a retry_delay, later frames of that
     *   stream are refused (OUT_OF_ORDER), also in batches that are already under way, until the refused publisher sequence is
     *   sent again. After the refusal of a frame without a publisher sequence, only later frames of its batch are refused.
     * - Retry: when the call has ended, every unanswered batch counts as unconfirmed. Open another call, read
     *   SubmitReady.positions, and send what is above them.
     * - Status: OK after the client has closed its side and everything is answered. INVALID_ARGUMENT (PROTOCOL_VIOLATION: among
     *   others no setup within 30 s; TOO_MANY_ITEMS; EMPTY_BATCH, TOO_MANY_FRAMES), RESOURCE_EXHAUSTED (BATCH_TOO_LARGE,
     *   TOO_MANY_IN_FLIGHT), UNAVAILABLE after `draining`, UNIMPLEMENTED (a kind of request that the server does not know).
     * </pre>
     */
    default io.grpc.stub.StreamObserver<example.frameway.v1.SubmitFramesRequest> submitFrames(
        io.grpc.stub.StreamObserver<example.frameway.v1.SubmitFramesResponse> responseObserver) {
      return io.grpc.stub.ServerCalls.asyncUnimplementedStreamingCall(getSubmitFramesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Sends processed frames as they are published, or from a position on. The first message is a checkpoint: the start of every
     * selected stream is then fixed, and a client that waits for it before it submits misses nothing.
     * - Ordering: frames and gaps of one stream are sent in the order of sequences, each sequence once: as a frame or in a gap.
     *   Streams are not ordered against each other.
     * - Retry: safe. Resume after the last cursor that was handled (StartPosition.cursors): nothing is sent twice, and nothing
     *   is lost within retention.
     * - Status: OK when every stop is reached. NOT_FOUND (a stream selected by id that is not registered, unless its first frame
     *   may register it), INVALID_ARGUMENT (CURSOR_INVALID, TOO_MANY_ITEMS), OUT_OF_RANGE (CURSOR_TRIMMED, POSITION_IN_FUTURE),
     *   RESOURCE_EXHAUSTED (SLOW_CONSUMER, TOO_MANY_SUBSCRIPTIONS, TOO_MANY_STREAMS), UNAVAILABLE after `draining`.
     * </pre>
     */
    default void subscribeFrames(example.frameway.v1.SubscribeFramesRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.SubscribeFramesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getSubscribeFramesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Joins a consumer group as a member, and sends the member's share of the group's frames. Each must be acknowledged
     * (AcknowledgeFrames) before its deadline, or it is delivered again.
     * - Ordering: frames of one stream are sent in the order of sequences; redeliveries are sent out of order, and may repeat. A
     *   gap is sent at least once. It is sent again, to the member that asks next, unless a later frame was acknowledged or the
     *   call that received the gap continued for at least 45 s. Gaps from the group's own filter and sampling are sent once.
     * - Retry: safe. Join again under the same member_id, at any server. Until their deadlines the member's frames stay its own:
     *   the new call sends them again, as the same attempts with the same ack ids, which stay valid.
     * - Status: OK after stop_after_frames. NOT_FOUND (GROUP_NOT_FOUND, GROUP_DELETED), ABORTED (MEMBER_REPLACED),
     *   RESOURCE_EXHAUSTED (TOO_MANY_SUBSCRIPTIONS), UNAVAILABLE after `draining`.
     * </pre>
     */
    default void consumeFrames(example.frameway.v1.ConsumeFramesRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ConsumeFramesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getConsumeFramesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Acknowledges frames: the group is done with them. Any server accepts any ack id of the cluster.
     * - Ordering: results have the order of the ids.
     * - Retry: safe; acknowledging again succeeds. A late ack succeeds too, unless the frame was delivered again since
     *   or is no longer kept (ACK_ID_STALE), or has become a dead letter.
     * - Status: OK with a result for each id. NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    default void acknowledgeFrames(example.frameway.v1.AcknowledgeFramesRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.AcknowledgeFramesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getAcknowledgeFramesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Rejects frames that could not be handled: they are delivered again after a delay, or become dead letters. This has effect
     * even after the member's call has ended, and after the deadline as long as no other member has the frame.
     * - Ordering: results have the order of the rejections.
     * - Retry: safe; rejecting an ack id again changes nothing.
     * - Status: OK with a result for each ack id. NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    default void rejectFrames(example.frameway.v1.RejectFramesRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.RejectFramesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRejectFramesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Gives a group member more time for frames. This has effect even after the deadline, as long as no other member has the
     * frame. A member that is away keeps its frames for at most one ack_deadline of the group.
     * - Ordering: results have the order of the ids.
     * - Retry: safe; the last call counts.
     * - Status: OK with a result for each id. NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    default void extendAckDeadline(example.frameway.v1.ExtendAckDeadlineRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ExtendAckDeadlineResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getExtendAckDeadlineMethod(), responseObserver);
    }

    /**
     * <pre>
     * Reads frames of one stream by their sequences.
     * - Ordering: results have the order of the request.
     * - Retry: safe, reads only.
     * - Status: OK with a result for each sequence. NOT_FOUND (STREAM_NOT_FOUND), INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    default void getFrames(example.frameway.v1.GetFramesRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.GetFramesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetFramesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Reads the newest processed frame of each of several streams. Tombstones are skipped, however many there are.
     * - Ordering: results have the order of the request.
     * - Retry: safe, reads only.
     * - Status: OK with a result for each stream, also for unknown ones. INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    default void getLatestFrames(example.frameway.v1.GetLatestFramesRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.GetLatestFramesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetLatestFramesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Reads what is known of frames of one stream, in pages and without their pictures: by sequences, by the time of receipt, or
     * those around a moment. Says where frames of the range are gone, and what is kept. Only where GetServerInfo.features has
     * `list_frames`.
     * - Ordering: by sequence, on each page and from page to page. Frames that retention removes between two pages are in the
     *   gaps of the later one.
     * - Retry: safe, reads only.
     * - Status: OK, also when no frame is found. NOT_FOUND (STREAM_NOT_FOUND), INVALID_ARGUMENT (PAGE_TOKEN_INVALID).
     * </pre>
     */
    default void listFrames(example.frameway.v1.ListFramesRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ListFramesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListFramesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Reads what the server is: version, features, limits, defaults, backend, durability. Answers also while the backend is away.
     * - Ordering: none.
     * - Retry: safe, reads only.
     * - Status: those of any RPC.
     * </pre>
     */
    default void getServerInfo(example.frameway.v1.GetServerInfoRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.GetServerInfoResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetServerInfoMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service StreamingService.
   * <pre>
   * Carries frames from cameras to subscribers. To register a stream, submit a picture, and read it back:
   *   grpcurl -plaintext -d '{"stream": {"stream_id": "road-1"}}' &#92;
   *     127.0.0.1:7400 frameway.v1.StreamRegistryService/RegisterStream
   *   echo '{"frames": [{"stream_id": "road-1", "data": "'$(base64 &lt; road.jpg | tr -d '&#92;n')'"}]}' |
   *     grpcurl -plaintext -d &#64; 127.0.0.1:7400 frameway.v1.StreamingService/SubmitFrameBatch
   *   grpcurl -plaintext -d '{"stop_after_frames": 1, "selectors": [{"streams": [{"id": "road-1"}], "start": {"earliest": {}}}]}' &#92;
   *     127.0.0.1:7400 frameway.v1.StreamingService/SubscribeFrames
   * Words:
   * - A stream is one camera. A frame is one picture of it, and gets a sequence when it is accepted: 1, 2, 3, and so on.
   * - Each stream belongs to one partition for good. Its accepted frames wait in the partition's work queue, and a worker turns
   *   each into a processed frame (pictures and measures) or, where there is no picture, a tombstone.
   * - Both are published to the stream's output, in order of sequence, and are kept there as long as the stream's RetentionPolicy
   *   says.
   * - A subscription (SubscribeFrames) reads outputs by itself. A consumer group (ConsumeFrames) shares the frames among its
   *   members, each of which acknowledges what it has handled.
   * - A gap says which sequences a reader does not get, and why. A cursor is a position in an output. The head is its newest
   *   entry.
   * - A dead letter is a stored frame that could not be processed or handled.
   * - Durability (GetServerInfo) is what an accepted frame survives.
   * Rules for every field: every uint64 is below 2^53, so that it fits a double; a higher one is INVALID_FIELD. If a field has a
   * default, unset means the default; for a field without presence, 0, empty, false or unspecified is unset. Bounds are
   * inclusive. Text is UTF-8. Times are in the years 1 to 9999. GetServerInfo.limits has the maxima in force.
   * Errors are google.rpc.Status with the detail google.rpc.ErrorInfo (see ErrorReason) and, where they apply, BadRequest (field
   * paths), RetryInfo (when to try again), ResourceInfo, and RequestInfo (the request id). A call may bring its own request id in
   * the metadata `x-request-id` (at most 128 characters); otherwise the server makes one. The response metadata `x-request-id`
   * returns it.
   * Any RPC may answer, beside the status codes that it lists: INVALID_ARGUMENT (INVALID_FIELD, INVALID_STREAM_ID, TOO_MANY_ITEMS,
   * UNKNOWN_FIELD, PROTOCOL_VIOLATION), UNAUTHENTICATED, PERMISSION_DENIED, RESOURCE_EXHAUSTED (QUOTA_EXCEEDED
   * with RetryInfo; BATCH_TOO_LARGE, METADATA_TOO_LARGE), UNAVAILABLE with RetryInfo (BACKEND_UNAVAILABLE, DRAINING),
   * DEADLINE_EXCEEDED, UNIMPLEMENTED (NOT_IMPLEMENTED) and INTERNAL. A call that is refused changes nothing. After UNAVAILABLE,
   * DEADLINE_EXCEEDED and INTERNAL it may have taken effect.
   * Newer and older programs:
   * - A server refuses what it does not know: an enum value, a oneof that is present without a known case, and (all RPCs but
   *   SubmitFrameBatch and SubmitFrames) any unknown field. Nothing is done then; in a batch, only the frame at fault is rejected.
   * - A client must expect enum values, oneof cases and fields that it does not know in responses. Ignore an unknown event and an
   *   unknown field. Treat an unset FrameResult as unconfirmed, an unset AckResult or DeadLetterResult as refused, an unset
   *   FrameLookup or LatestFrame as missing, an unknown GapReason as a gap, an unknown state as a state that needs no action.
   * - Before a client uses what was added after the first version of this API, it checks GetServerInfo.features.
   * Permissions: credentials come in the metadata `authorization` (`Bearer ...`: an API key or a token), or are the client's
   * certificate. They name a principal, which has grants. Publisher ids and member ids belong to the principal: two principals
   * may use the same ones. Globs, labels, lists and watches see what the caller may read. A resource that is named by its id and
   * may not be used is PERMISSION_DENIED, whether it exists or not. A picture that may not be read is omitted (NOT_PERMITTED). A
   * call that lasts ends with UNAUTHENTICATED when its credentials are revoked or expire, and with UNAVAILABLE (DRAINING) when
   * the caller's grants change. A server that does not authenticate treats all callers as one principal that may do everything.
   * Retries: if an RPC is called safe to retry, send it again after UNAVAILABLE, DEADLINE_EXCEEDED, and a CANCELLED that the
   * caller did not ask for. proto/frameway_v1_service_config.json has timeouts and retries for gRPC clients.
   * Transport: content type application/grpc or application/grpc+proto; messages uncompressed. The server enforces a call's
   * deadline over the whole call. A connection may have a maximum age: calls on it then end as when the server drains. On calls
   * that last, treat three heartbeat intervals without any message (at least 15 s before the first one) as a lost connection:
   * cancel, and open another.
   * </pre>
   */
  public static abstract class StreamingServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return StreamingServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service StreamingService.
   * <pre>
   * Carries frames from cameras to subscribers. To register a stream, submit a picture, and read it back:
   *   grpcurl -plaintext -d '{"stream": {"stream_id": "road-1"}}' &#92;
   *     127.0.0.1:7400 frameway.v1.StreamRegistryService/RegisterStream
   *   echo '{"frames": [{"stream_id": "road-1", "data": "'$(base64 &lt; road.jpg | tr -d '&#92;n')'"}]}' |
   *     grpcurl -plaintext -d &#64; 127.0.0.1:7400 frameway.v1.StreamingService/SubmitFrameBatch
   *   grpcurl -plaintext -d '{"stop_after_frames": 1, "selectors": [{"streams": [{"id": "road-1"}], "start": {"earliest": {}}}]}' &#92;
   *     127.0.0.1:7400 frameway.v1.StreamingService/SubscribeFrames
   * Words:
   * - A stream is one camera. A frame is one picture of it, and gets a sequence when it is accepted: 1, 2, 3, and so on.
   * - Each stream belongs to one partition for good. Its accepted frames wait in the partition's work queue, and a worker turns
   *   each into a processed frame (pictures and measures) or, where there is no picture, a tombstone.
   * - Both are published to the stream's output, in order of sequence, and are kept there as long as the stream's RetentionPolicy
   *   says.
   * - A subscription (SubscribeFrames) reads outputs by itself. A consumer group (ConsumeFrames) shares the frames among its
   *   members, each of which acknowledges what it has handled.
   * - A gap says which sequences a reader does not get, and why. A cursor is a position in an output. The head is its newest
   *   entry.
   * - A dead letter is a stored frame that could not be processed or handled.
   * - Durability (GetServerInfo) is what an accepted frame survives.
   * Rules for every field: every uint64 is below 2^53, so that it fits a double; a higher one is INVALID_FIELD. If a field has a
   * default, unset means the default; for a field without presence, 0, empty, false or unspecified is unset. Bounds are
   * inclusive. Text is UTF-8. Times are in the years 1 to 9999. GetServerInfo.limits has the maxima in force.
   * Errors are google.rpc.Status with the detail google.rpc.ErrorInfo (see ErrorReason) and, where they apply, BadRequest (field
   * paths), RetryInfo (when to try again), ResourceInfo, and RequestInfo (the request id). A call may bring its own request id in
   * the metadata `x-request-id` (at most 128 characters); otherwise the server makes one. The response metadata `x-request-id`
   * returns it.
   * Any RPC may answer, beside the status codes that it lists: INVALID_ARGUMENT (INVALID_FIELD, INVALID_STREAM_ID, TOO_MANY_ITEMS,
   * UNKNOWN_FIELD, PROTOCOL_VIOLATION), UNAUTHENTICATED, PERMISSION_DENIED, RESOURCE_EXHAUSTED (QUOTA_EXCEEDED
   * with RetryInfo; BATCH_TOO_LARGE, METADATA_TOO_LARGE), UNAVAILABLE with RetryInfo (BACKEND_UNAVAILABLE, DRAINING),
   * DEADLINE_EXCEEDED, UNIMPLEMENTED (NOT_IMPLEMENTED) and INTERNAL. A call that is refused changes nothing. After UNAVAILABLE,
   * DEADLINE_EXCEEDED and INTERNAL it may have taken effect.
   * Newer and older programs:
   * - A server refuses what it does not know: an enum value, a oneof that is present without a known case, and (all RPCs but
   *   SubmitFrameBatch and SubmitFrames) any unknown field. Nothing is done then; in a batch, only the frame at fault is rejected.
   * - A client must expect enum values, oneof cases and fields that it does not know in responses. Ignore an unknown event and an
   *   unknown field. Treat an unset FrameResult as unconfirmed, an unset AckResult or DeadLetterResult as refused, an unset
   *   FrameLookup or LatestFrame as missing, an unknown GapReason as a gap, an unknown state as a state that needs no action.
   * - Before a client uses what was added after the first version of this API, it checks GetServerInfo.features.
   * Permissions: credentials come in the metadata `authorization` (`Bearer ...`: an API key or a token), or are the client's
   * certificate. They name a principal, which has grants. Publisher ids and member ids belong to the principal: two principals
   * may use the same ones. Globs, labels, lists and watches see what the caller may read. A resource that is named by its id and
   * may not be used is PERMISSION_DENIED, whether it exists or not. A picture that may not be read is omitted (NOT_PERMITTED). A
   * call that lasts ends with UNAUTHENTICATED when its credentials are revoked or expire, and with UNAVAILABLE (DRAINING) when
   * the caller's grants change. A server that does not authenticate treats all callers as one principal that may do everything.
   * Retries: if an RPC is called safe to retry, send it again after UNAVAILABLE, DEADLINE_EXCEEDED, and a CANCELLED that the
   * caller did not ask for. proto/frameway_v1_service_config.json has timeouts and retries for gRPC clients.
   * Transport: content type application/grpc or application/grpc+proto; messages uncompressed. The server enforces a call's
   * deadline over the whole call. A connection may have a maximum age: calls on it then end as when the server drains. On calls
   * that last, treat three heartbeat intervals without any message (at least 15 s before the first one) as a lost connection:
   * cancel, and open another.
   * </pre>
   */
  public static final class StreamingServiceStub
      extends io.grpc.stub.AbstractAsyncStub<StreamingServiceStub> {
    private StreamingServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected StreamingServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new StreamingServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Stores 1 to 100 frames of any streams, and answers when they are stored at the server's durability.
     * - Ordering: frames of one stream and publisher get rising sequences in the order of the batch. After a refusal with a
     *   retry_delay, later frames of that stream in the batch are refused too (OUT_OF_ORDER). Calls that run at the same time are
     *   not ordered.
     * - Retry: safe for frames with publisher_id and publisher_sequence; others may be stored twice. If the call fails with
     *   UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED or INTERNAL, every frame counts as unconfirmed.
     * - Status: OK when frames were tried, with a result for each; a frame's own faults are in its result. INVALID_ARGUMENT
     *   (EMPTY_BATCH, TOO_MANY_FRAMES), RESOURCE_EXHAUSTED (BATCH_TOO_LARGE): no frame was tried. UNAVAILABLE
     *   (BACKEND_UNAVAILABLE): no frame was confirmed.
     * </pre>
     */
    public void submitFrameBatch(example.frameway.v1.SubmitFrameBatchRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.SubmitFrameBatchResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getSubmitFrameBatchMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Stores the batches of a live camera over one call: first a setup, then batches, each answered by its batch_id. Not for
     * browsers: gRPC-Web has no streams of requests.
     * - Ordering: batches are stored and answered in the order sent. After a refusal with a retry_delay, later frames of that
     *   stream are refused (OUT_OF_ORDER), also in batches that are already under way, until the refused publisher sequence is
     *   sent again. After the refusal of a frame without a publisher sequence, only later frames of its batch are refused.
     * - Retry: when the call has ended, every unanswered batch counts as unconfirmed. Open another call, read
     *   SubmitReady.positions, and send what is above them.
     * - Status: OK after the client has closed its side and everything is answered. INVALID_ARGUMENT (PROTOCOL_VIOLATION: among
     *   others no setup within 30 s; TOO_MANY_ITEMS; EMPTY_BATCH, TOO_MANY_FRAMES), RESOURCE_EXHAUSTED (BATCH_TOO_LARGE,
     *   TOO_MANY_IN_FLIGHT), UNAVAILABLE after `draining`, UNIMPLEMENTED (a kind of request that the server does not know).
     * </pre>
     */
    public io.grpc.stub.StreamObserver<example.frameway.v1.SubmitFramesRequest> submitFrames(
        io.grpc.stub.StreamObserver<example.frameway.v1.SubmitFramesResponse> responseObserver) {
      return io.grpc.stub.ClientCalls.asyncBidiStreamingCall(
          getChannel().newCall(getSubmitFramesMethod(), getCallOptions()), responseObserver);
    }

    /**
     * <pre>
     * Sends processed frames as they are published, or from a position on. The first message is a checkpoint: the start of every
     * selected stream is then fixed, and a client that waits for it before it submits misses nothing.
     * - Ordering: frames and gaps of one stream are sent in the order of sequences, each sequence once: as a frame or in a gap.
     *   Streams are not ordered against each other.
     * - Retry: safe. Resume after the last cursor that was handled (StartPosition.cursors): nothing is sent twice, and nothing
     *   is lost within retention.
     * - Status: OK when every stop is reached. NOT_FOUND (a stream selected by id that is not registered, unless its first frame
     *   may register it), INVALID_ARGUMENT (CURSOR_INVALID, TOO_MANY_ITEMS), OUT_OF_RANGE (CURSOR_TRIMMED, POSITION_IN_FUTURE),
     *   RESOURCE_EXHAUSTED (SLOW_CONSUMER, TOO_MANY_SUBSCRIPTIONS, TOO_MANY_STREAMS), UNAVAILABLE after `draining`.
     * </pre>
     */
    public void subscribeFrames(example.frameway.v1.SubscribeFramesRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.SubscribeFramesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getSubscribeFramesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Joins a consumer group as a member, and sends the member's share of the group's frames. Each must be acknowledged
     * (AcknowledgeFrames) before its deadline, or it is delivered again.
     * - Ordering: frames of one stream are sent in the order of sequences; redeliveries are sent out of order, and may repeat. A
     *   gap is sent at least once. It is sent again, to the member that asks next, unless a later frame was acknowledged or the
     *   call that received the gap continued for at least 45 s. Gaps from the group's own filter and sampling are sent once.
     * - Retry: safe. Join again under the same member_id, at any server. Until their deadlines the member's frames stay its own:
     *   the new call sends them again, as the same attempts with the same ack ids, which stay valid.
     * - Status: OK after stop_after_frames. NOT_FOUND (GROUP_NOT_FOUND, GROUP_DELETED), ABORTED (MEMBER_REPLACED),
     *   RESOURCE_EXHAUSTED (TOO_MANY_SUBSCRIPTIONS), UNAVAILABLE after `draining`.
     * </pre>
     */
    public void consumeFrames(example.frameway.v1.ConsumeFramesRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ConsumeFramesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getConsumeFramesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Acknowledges frames: the group is done with them. Any server accepts any ack id of the cluster.
     * - Ordering: results have the order of the ids.
     * - Retry: safe; acknowledging again succeeds. A late ack succeeds too, unless the frame was delivered again since
     *   or is no longer kept (ACK_ID_STALE), or has become a dead letter.
     * - Status: OK with a result for each id. NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    public void acknowledgeFrames(example.frameway.v1.AcknowledgeFramesRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.AcknowledgeFramesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getAcknowledgeFramesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Rejects frames that could not be handled: they are delivered again after a delay, or become dead letters. This has effect
     * even after the member's call has ended, and after the deadline as long as no other member has the frame.
     * - Ordering: results have the order of the rejections.
     * - Retry: safe; rejecting an ack id again changes nothing.
     * - Status: OK with a result for each ack id. NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    public void rejectFrames(example.frameway.v1.RejectFramesRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.RejectFramesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRejectFramesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Gives a group member more time for frames. This has effect even after the deadline, as long as no other member has the
     * frame. A member that is away keeps its frames for at most one ack_deadline of the group.
     * - Ordering: results have the order of the ids.
     * - Retry: safe; the last call counts.
     * - Status: OK with a result for each id. NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    public void extendAckDeadline(example.frameway.v1.ExtendAckDeadlineRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ExtendAckDeadlineResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getExtendAckDeadlineMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Reads frames of one stream by their sequences.
     * - Ordering: results have the order of the request.
     * - Retry: safe, reads only.
     * - Status: OK with a result for each sequence. NOT_FOUND (STREAM_NOT_FOUND), INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    public void getFrames(example.frameway.v1.GetFramesRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.GetFramesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetFramesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Reads the newest processed frame of each of several streams. Tombstones are skipped, however many there are.
     * - Ordering: results have the order of the request.
     * - Retry: safe, reads only.
     * - Status: OK with a result for each stream, also for unknown ones. INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    public void getLatestFrames(example.frameway.v1.GetLatestFramesRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.GetLatestFramesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetLatestFramesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Reads what is known of frames of one stream, in pages and without their pictures: by sequences, by the time of receipt, or
     * those around a moment. Says where frames of the range are gone, and what is kept. Only where GetServerInfo.features has
     * `list_frames`.
     * - Ordering: by sequence, on each page and from page to page. Frames that retention removes between two pages are in the
     *   gaps of the later one.
     * - Retry: safe, reads only.
     * - Status: OK, also when no frame is found. NOT_FOUND (STREAM_NOT_FOUND), INVALID_ARGUMENT (PAGE_TOKEN_INVALID).
     * </pre>
     */
    public void listFrames(example.frameway.v1.ListFramesRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.ListFramesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListFramesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Reads what the server is: version, features, limits, defaults, backend, durability. Answers also while the backend is away.
     * - Ordering: none.
     * - Retry: safe, reads only.
     * - Status: those of any RPC.
     * </pre>
     */
    public void getServerInfo(example.frameway.v1.GetServerInfoRequest request,
        io.grpc.stub.StreamObserver<example.frameway.v1.GetServerInfoResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetServerInfoMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service StreamingService.
   * <pre>
   * Carries frames from cameras to subscribers. To register a stream, submit a picture, and read it back:
   *   grpcurl -plaintext -d '{"stream": {"stream_id": "road-1"}}' &#92;
   *     127.0.0.1:7400 frameway.v1.StreamRegistryService/RegisterStream
   *   echo '{"frames": [{"stream_id": "road-1", "data": "'$(base64 &lt; road.jpg | tr -d '&#92;n')'"}]}' |
   *     grpcurl -plaintext -d &#64; 127.0.0.1:7400 frameway.v1.StreamingService/SubmitFrameBatch
   *   grpcurl -plaintext -d '{"stop_after_frames": 1, "selectors": [{"streams": [{"id": "road-1"}], "start": {"earliest": {}}}]}' &#92;
   *     127.0.0.1:7400 frameway.v1.StreamingService/SubscribeFrames
   * Words:
   * - A stream is one camera. A frame is one picture of it, and gets a sequence when it is accepted: 1, 2, 3, and so on.
   * - Each stream belongs to one partition for good. Its accepted frames wait in the partition's work queue, and a worker turns
   *   each into a processed frame (pictures and measures) or, where there is no picture, a tombstone.
   * - Both are published to the stream's output, in order of sequence, and are kept there as long as the stream's RetentionPolicy
   *   says.
   * - A subscription (SubscribeFrames) reads outputs by itself. A consumer group (ConsumeFrames) shares the frames among its
   *   members, each of which acknowledges what it has handled.
   * - A gap says which sequences a reader does not get, and why. A cursor is a position in an output. The head is its newest
   *   entry.
   * - A dead letter is a stored frame that could not be processed or handled.
   * - Durability (GetServerInfo) is what an accepted frame survives.
   * Rules for every field: every uint64 is below 2^53, so that it fits a double; a higher one is INVALID_FIELD. If a field has a
   * default, unset means the default; for a field without presence, 0, empty, false or unspecified is unset. Bounds are
   * inclusive. Text is UTF-8. Times are in the years 1 to 9999. GetServerInfo.limits has the maxima in force.
   * Errors are google.rpc.Status with the detail google.rpc.ErrorInfo (see ErrorReason) and, where they apply, BadRequest (field
   * paths), RetryInfo (when to try again), ResourceInfo, and RequestInfo (the request id). A call may bring its own request id in
   * the metadata `x-request-id` (at most 128 characters); otherwise the server makes one. The response metadata `x-request-id`
   * returns it.
   * Any RPC may answer, beside the status codes that it lists: INVALID_ARGUMENT (INVALID_FIELD, INVALID_STREAM_ID, TOO_MANY_ITEMS,
   * UNKNOWN_FIELD, PROTOCOL_VIOLATION), UNAUTHENTICATED, PERMISSION_DENIED, RESOURCE_EXHAUSTED (QUOTA_EXCEEDED
   * with RetryInfo; BATCH_TOO_LARGE, METADATA_TOO_LARGE), UNAVAILABLE with RetryInfo (BACKEND_UNAVAILABLE, DRAINING),
   * DEADLINE_EXCEEDED, UNIMPLEMENTED (NOT_IMPLEMENTED) and INTERNAL. A call that is refused changes nothing. After UNAVAILABLE,
   * DEADLINE_EXCEEDED and INTERNAL it may have taken effect.
   * Newer and older programs:
   * - A server refuses what it does not know: an enum value, a oneof that is present without a known case, and (all RPCs but
   *   SubmitFrameBatch and SubmitFrames) any unknown field. Nothing is done then; in a batch, only the frame at fault is rejected.
   * - A client must expect enum values, oneof cases and fields that it does not know in responses. Ignore an unknown event and an
   *   unknown field. Treat an unset FrameResult as unconfirmed, an unset AckResult or DeadLetterResult as refused, an unset
   *   FrameLookup or LatestFrame as missing, an unknown GapReason as a gap, an unknown state as a state that needs no action.
   * - Before a client uses what was added after the first version of this API, it checks GetServerInfo.features.
   * Permissions: credentials come in the metadata `authorization` (`Bearer ...`: an API key or a token), or are the client's
   * certificate. They name a principal, which has grants. Publisher ids and member ids belong to the principal: two principals
   * may use the same ones. Globs, labels, lists and watches see what the caller may read. A resource that is named by its id and
   * may not be used is PERMISSION_DENIED, whether it exists or not. A picture that may not be read is omitted (NOT_PERMITTED). A
   * call that lasts ends with UNAUTHENTICATED when its credentials are revoked or expire, and with UNAVAILABLE (DRAINING) when
   * the caller's grants change. A server that does not authenticate treats all callers as one principal that may do everything.
   * Retries: if an RPC is called safe to retry, send it again after UNAVAILABLE, DEADLINE_EXCEEDED, and a CANCELLED that the
   * caller did not ask for. proto/frameway_v1_service_config.json has timeouts and retries for gRPC clients.
   * Transport: content type application/grpc or application/grpc+proto; messages uncompressed. The server enforces a call's
   * deadline over the whole call. A connection may have a maximum age: calls on it then end as when the server drains. On calls
   * that last, treat three heartbeat intervals without any message (at least 15 s before the first one) as a lost connection:
   * cancel, and open another.
   * </pre>
   */
  public static final class StreamingServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<StreamingServiceBlockingV2Stub> {
    private StreamingServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected StreamingServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new StreamingServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Stores 1 to 100 frames of any streams, and answers when they are stored at the server's durability.
     * - Ordering: frames of one stream and publisher get rising sequences in the order of the batch. After a refusal with a
     *   retry_delay, later frames of that stream in the batch are refused too (OUT_OF_ORDER). Calls that run at the same time are
     *   not ordered.
     * - Retry: safe for frames with publisher_id and publisher_sequence; others may be stored twice. If the call fails with
     *   UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED or INTERNAL, every frame counts as unconfirmed.
     * - Status: OK when frames were tried, with a result for each; a frame's own faults are in its result. INVALID_ARGUMENT
     *   (EMPTY_BATCH, TOO_MANY_FRAMES), RESOURCE_EXHAUSTED (BATCH_TOO_LARGE): no frame was tried. UNAVAILABLE
     *   (BACKEND_UNAVAILABLE): no frame was confirmed.
     * </pre>
     */
    public example.frameway.v1.SubmitFrameBatchResponse submitFrameBatch(example.frameway.v1.SubmitFrameBatchRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getSubmitFrameBatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Stores the batches of a live camera over one call: first a setup, then batches, each answered by its batch_id. Not for
     * browsers: gRPC-Web has no streams of requests.
     * - Ordering: batches are stored and answered in the order sent. After a refusal with a retry_delay, later frames of that
     *   stream are refused (OUT_OF_ORDER), also in batches that are already under way, until the refused publisher sequence is
     *   sent again. After the refusal of a frame without a publisher sequence, only later frames of its batch are refused.
     * - Retry: when the call has ended, every unanswered batch counts as unconfirmed. Open another call, read
     *   SubmitReady.positions, and send what is above them.
     * - Status: OK after the client has closed its side and everything is answered. INVALID_ARGUMENT (PROTOCOL_VIOLATION: among
     *   others no setup within 30 s; TOO_MANY_ITEMS; EMPTY_BATCH, TOO_MANY_FRAMES), RESOURCE_EXHAUSTED (BATCH_TOO_LARGE,
     *   TOO_MANY_IN_FLIGHT), UNAVAILABLE after `draining`, UNIMPLEMENTED (a kind of request that the server does not know).
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<example.frameway.v1.SubmitFramesRequest, example.frameway.v1.SubmitFramesResponse>
        submitFrames() {
      return io.grpc.stub.ClientCalls.blockingBidiStreamingCall(
          getChannel(), getSubmitFramesMethod(), getCallOptions());
    }

    /**
     * <pre>
     * Sends processed frames as they are published, or from a position on. The first message is a checkpoint: the start of every
     * selected stream is then fixed, and a client that waits for it before it submits misses nothing.
     * - Ordering: frames and gaps of one stream are sent in the order of sequences, each sequence once: as a frame or in a gap.
     *   Streams are not ordered against each other.
     * - Retry: safe. Resume after the last cursor that was handled (StartPosition.cursors): nothing is sent twice, and nothing
     *   is lost within retention.
     * - Status: OK when every stop is reached. NOT_FOUND (a stream selected by id that is not registered, unless its first frame
     *   may register it), INVALID_ARGUMENT (CURSOR_INVALID, TOO_MANY_ITEMS), OUT_OF_RANGE (CURSOR_TRIMMED, POSITION_IN_FUTURE),
     *   RESOURCE_EXHAUSTED (SLOW_CONSUMER, TOO_MANY_SUBSCRIPTIONS, TOO_MANY_STREAMS), UNAVAILABLE after `draining`.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, example.frameway.v1.SubscribeFramesResponse>
        subscribeFrames(example.frameway.v1.SubscribeFramesRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getSubscribeFramesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Joins a consumer group as a member, and sends the member's share of the group's frames. Each must be acknowledged
     * (AcknowledgeFrames) before its deadline, or it is delivered again.
     * - Ordering: frames of one stream are sent in the order of sequences; redeliveries are sent out of order, and may repeat. A
     *   gap is sent at least once. It is sent again, to the member that asks next, unless a later frame was acknowledged or the
     *   call that received the gap continued for at least 45 s. Gaps from the group's own filter and sampling are sent once.
     * - Retry: safe. Join again under the same member_id, at any server. Until their deadlines the member's frames stay its own:
     *   the new call sends them again, as the same attempts with the same ack ids, which stay valid.
     * - Status: OK after stop_after_frames. NOT_FOUND (GROUP_NOT_FOUND, GROUP_DELETED), ABORTED (MEMBER_REPLACED),
     *   RESOURCE_EXHAUSTED (TOO_MANY_SUBSCRIPTIONS), UNAVAILABLE after `draining`.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, example.frameway.v1.ConsumeFramesResponse>
        consumeFrames(example.frameway.v1.ConsumeFramesRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getConsumeFramesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Acknowledges frames: the group is done with them. Any server accepts any ack id of the cluster.
     * - Ordering: results have the order of the ids.
     * - Retry: safe; acknowledging again succeeds. A late ack succeeds too, unless the frame was delivered again since
     *   or is no longer kept (ACK_ID_STALE), or has become a dead letter.
     * - Status: OK with a result for each id. NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    public example.frameway.v1.AcknowledgeFramesResponse acknowledgeFrames(example.frameway.v1.AcknowledgeFramesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getAcknowledgeFramesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Rejects frames that could not be handled: they are delivered again after a delay, or become dead letters. This has effect
     * even after the member's call has ended, and after the deadline as long as no other member has the frame.
     * - Ordering: results have the order of the rejections.
     * - Retry: safe; rejecting an ack id again changes nothing.
     * - Status: OK with a result for each ack id. NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    public example.frameway.v1.RejectFramesResponse rejectFrames(example.frameway.v1.RejectFramesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRejectFramesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Gives a group member more time for frames. This has effect even after the deadline, as long as no other member has the
     * frame. A member that is away keeps its frames for at most one ack_deadline of the group.
     * - Ordering: results have the order of the ids.
     * - Retry: safe; the last call counts.
     * - Status: OK with a result for each id. NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    public example.frameway.v1.ExtendAckDeadlineResponse extendAckDeadline(example.frameway.v1.ExtendAckDeadlineRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getExtendAckDeadlineMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads frames of one stream by their sequences.
     * - Ordering: results have the order of the request.
     * - Retry: safe, reads only.
     * - Status: OK with a result for each sequence. NOT_FOUND (STREAM_NOT_FOUND), INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    public example.frameway.v1.GetFramesResponse getFrames(example.frameway.v1.GetFramesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetFramesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads the newest processed frame of each of several streams. Tombstones are skipped, however many there are.
     * - Ordering: results have the order of the request.
     * - Retry: safe, reads only.
     * - Status: OK with a result for each stream, also for unknown ones. INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    public example.frameway.v1.GetLatestFramesResponse getLatestFrames(example.frameway.v1.GetLatestFramesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetLatestFramesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads what is known of frames of one stream, in pages and without their pictures: by sequences, by the time of receipt, or
     * those around a moment. Says where frames of the range are gone, and what is kept. Only where GetServerInfo.features has
     * `list_frames`.
     * - Ordering: by sequence, on each page and from page to page. Frames that retention removes between two pages are in the
     *   gaps of the later one.
     * - Retry: safe, reads only.
     * - Status: OK, also when no frame is found. NOT_FOUND (STREAM_NOT_FOUND), INVALID_ARGUMENT (PAGE_TOKEN_INVALID).
     * </pre>
     */
    public example.frameway.v1.ListFramesResponse listFrames(example.frameway.v1.ListFramesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListFramesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads what the server is: version, features, limits, defaults, backend, durability. Answers also while the backend is away.
     * - Ordering: none.
     * - Retry: safe, reads only.
     * - Status: those of any RPC.
     * </pre>
     */
    public example.frameway.v1.GetServerInfoResponse getServerInfo(example.frameway.v1.GetServerInfoRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetServerInfoMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service StreamingService.
   * <pre>
   * Carries frames from cameras to subscribers. To register a stream, submit a picture, and read it back:
   *   grpcurl -plaintext -d '{"stream": {"stream_id": "road-1"}}' &#92;
   *     127.0.0.1:7400 frameway.v1.StreamRegistryService/RegisterStream
   *   echo '{"frames": [{"stream_id": "road-1", "data": "'$(base64 &lt; road.jpg | tr -d '&#92;n')'"}]}' |
   *     grpcurl -plaintext -d &#64; 127.0.0.1:7400 frameway.v1.StreamingService/SubmitFrameBatch
   *   grpcurl -plaintext -d '{"stop_after_frames": 1, "selectors": [{"streams": [{"id": "road-1"}], "start": {"earliest": {}}}]}' &#92;
   *     127.0.0.1:7400 frameway.v1.StreamingService/SubscribeFrames
   * Words:
   * - A stream is one camera. A frame is one picture of it, and gets a sequence when it is accepted: 1, 2, 3, and so on.
   * - Each stream belongs to one partition for good. Its accepted frames wait in the partition's work queue, and a worker turns
   *   each into a processed frame (pictures and measures) or, where there is no picture, a tombstone.
   * - Both are published to the stream's output, in order of sequence, and are kept there as long as the stream's RetentionPolicy
   *   says.
   * - A subscription (SubscribeFrames) reads outputs by itself. A consumer group (ConsumeFrames) shares the frames among its
   *   members, each of which acknowledges what it has handled.
   * - A gap says which sequences a reader does not get, and why. A cursor is a position in an output. The head is its newest
   *   entry.
   * - A dead letter is a stored frame that could not be processed or handled.
   * - Durability (GetServerInfo) is what an accepted frame survives.
   * Rules for every field: every uint64 is below 2^53, so that it fits a double; a higher one is INVALID_FIELD. If a field has a
   * default, unset means the default; for a field without presence, 0, empty, false or unspecified is unset. Bounds are
   * inclusive. Text is UTF-8. Times are in the years 1 to 9999. GetServerInfo.limits has the maxima in force.
   * Errors are google.rpc.Status with the detail google.rpc.ErrorInfo (see ErrorReason) and, where they apply, BadRequest (field
   * paths), RetryInfo (when to try again), ResourceInfo, and RequestInfo (the request id). A call may bring its own request id in
   * the metadata `x-request-id` (at most 128 characters); otherwise the server makes one. The response metadata `x-request-id`
   * returns it.
   * Any RPC may answer, beside the status codes that it lists: INVALID_ARGUMENT (INVALID_FIELD, INVALID_STREAM_ID, TOO_MANY_ITEMS,
   * UNKNOWN_FIELD, PROTOCOL_VIOLATION), UNAUTHENTICATED, PERMISSION_DENIED, RESOURCE_EXHAUSTED (QUOTA_EXCEEDED
   * with RetryInfo; BATCH_TOO_LARGE, METADATA_TOO_LARGE), UNAVAILABLE with RetryInfo (BACKEND_UNAVAILABLE, DRAINING),
   * DEADLINE_EXCEEDED, UNIMPLEMENTED (NOT_IMPLEMENTED) and INTERNAL. A call that is refused changes nothing. After UNAVAILABLE,
   * DEADLINE_EXCEEDED and INTERNAL it may have taken effect.
   * Newer and older programs:
   * - A server refuses what it does not know: an enum value, a oneof that is present without a known case, and (all RPCs but
   *   SubmitFrameBatch and SubmitFrames) any unknown field. Nothing is done then; in a batch, only the frame at fault is rejected.
   * - A client must expect enum values, oneof cases and fields that it does not know in responses. Ignore an unknown event and an
   *   unknown field. Treat an unset FrameResult as unconfirmed, an unset AckResult or DeadLetterResult as refused, an unset
   *   FrameLookup or LatestFrame as missing, an unknown GapReason as a gap, an unknown state as a state that needs no action.
   * - Before a client uses what was added after the first version of this API, it checks GetServerInfo.features.
   * Permissions: credentials come in the metadata `authorization` (`Bearer ...`: an API key or a token), or are the client's
   * certificate. They name a principal, which has grants. Publisher ids and member ids belong to the principal: two principals
   * may use the same ones. Globs, labels, lists and watches see what the caller may read. A resource that is named by its id and
   * may not be used is PERMISSION_DENIED, whether it exists or not. A picture that may not be read is omitted (NOT_PERMITTED). A
   * call that lasts ends with UNAUTHENTICATED when its credentials are revoked or expire, and with UNAVAILABLE (DRAINING) when
   * the caller's grants change. A server that does not authenticate treats all callers as one principal that may do everything.
   * Retries: if an RPC is called safe to retry, send it again after UNAVAILABLE, DEADLINE_EXCEEDED, and a CANCELLED that the
   * caller did not ask for. proto/frameway_v1_service_config.json has timeouts and retries for gRPC clients.
   * Transport: content type application/grpc or application/grpc+proto; messages uncompressed. The server enforces a call's
   * deadline over the whole call. A connection may have a maximum age: calls on it then end as when the server drains. On calls
   * that last, treat three heartbeat intervals without any message (at least 15 s before the first one) as a lost connection:
   * cancel, and open another.
   * </pre>
   */
  public static final class StreamingServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<StreamingServiceBlockingStub> {
    private StreamingServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected StreamingServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new StreamingServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Stores 1 to 100 frames of any streams, and answers when they are stored at the server's durability.
     * - Ordering: frames of one stream and publisher get rising sequences in the order of the batch. After a refusal with a
     *   retry_delay, later frames of that stream in the batch are refused too (OUT_OF_ORDER). Calls that run at the same time are
     *   not ordered.
     * - Retry: safe for frames with publisher_id and publisher_sequence; others may be stored twice. If the call fails with
     *   UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED or INTERNAL, every frame counts as unconfirmed.
     * - Status: OK when frames were tried, with a result for each; a frame's own faults are in its result. INVALID_ARGUMENT
     *   (EMPTY_BATCH, TOO_MANY_FRAMES), RESOURCE_EXHAUSTED (BATCH_TOO_LARGE): no frame was tried. UNAVAILABLE
     *   (BACKEND_UNAVAILABLE): no frame was confirmed.
     * </pre>
     */
    public example.frameway.v1.SubmitFrameBatchResponse submitFrameBatch(example.frameway.v1.SubmitFrameBatchRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getSubmitFrameBatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Sends processed frames as they are published, or from a position on. The first message is a checkpoint: the start of every
     * selected stream is then fixed, and a client that waits for it before it submits misses nothing.
     * - Ordering: frames and gaps of one stream are sent in the order of sequences, each sequence once: as a frame or in a gap.
     *   Streams are not ordered against each other.
     * - Retry: safe. Resume after the last cursor that was handled (StartPosition.cursors): nothing is sent twice, and nothing
     *   is lost within retention.
     * - Status: OK when every stop is reached. NOT_FOUND (a stream selected by id that is not registered, unless its first frame
     *   may register it), INVALID_ARGUMENT (CURSOR_INVALID, TOO_MANY_ITEMS), OUT_OF_RANGE (CURSOR_TRIMMED, POSITION_IN_FUTURE),
     *   RESOURCE_EXHAUSTED (SLOW_CONSUMER, TOO_MANY_SUBSCRIPTIONS, TOO_MANY_STREAMS), UNAVAILABLE after `draining`.
     * </pre>
     */
    public java.util.Iterator<example.frameway.v1.SubscribeFramesResponse> subscribeFrames(
        example.frameway.v1.SubscribeFramesRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getSubscribeFramesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Joins a consumer group as a member, and sends the member's share of the group's frames. Each must be acknowledged
     * (AcknowledgeFrames) before its deadline, or it is delivered again.
     * - Ordering: frames of one stream are sent in the order of sequences; redeliveries are sent out of order, and may repeat. A
     *   gap is sent at least once. It is sent again, to the member that asks next, unless a later frame was acknowledged or the
     *   call that received the gap continued for at least 45 s. Gaps from the group's own filter and sampling are sent once.
     * - Retry: safe. Join again under the same member_id, at any server. Until their deadlines the member's frames stay its own:
     *   the new call sends them again, as the same attempts with the same ack ids, which stay valid.
     * - Status: OK after stop_after_frames. NOT_FOUND (GROUP_NOT_FOUND, GROUP_DELETED), ABORTED (MEMBER_REPLACED),
     *   RESOURCE_EXHAUSTED (TOO_MANY_SUBSCRIPTIONS), UNAVAILABLE after `draining`.
     * </pre>
     */
    public java.util.Iterator<example.frameway.v1.ConsumeFramesResponse> consumeFrames(
        example.frameway.v1.ConsumeFramesRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getConsumeFramesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Acknowledges frames: the group is done with them. Any server accepts any ack id of the cluster.
     * - Ordering: results have the order of the ids.
     * - Retry: safe; acknowledging again succeeds. A late ack succeeds too, unless the frame was delivered again since
     *   or is no longer kept (ACK_ID_STALE), or has become a dead letter.
     * - Status: OK with a result for each id. NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    public example.frameway.v1.AcknowledgeFramesResponse acknowledgeFrames(example.frameway.v1.AcknowledgeFramesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getAcknowledgeFramesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Rejects frames that could not be handled: they are delivered again after a delay, or become dead letters. This has effect
     * even after the member's call has ended, and after the deadline as long as no other member has the frame.
     * - Ordering: results have the order of the rejections.
     * - Retry: safe; rejecting an ack id again changes nothing.
     * - Status: OK with a result for each ack id. NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    public example.frameway.v1.RejectFramesResponse rejectFrames(example.frameway.v1.RejectFramesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRejectFramesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Gives a group member more time for frames. This has effect even after the deadline, as long as no other member has the
     * frame. A member that is away keeps its frames for at most one ack_deadline of the group.
     * - Ordering: results have the order of the ids.
     * - Retry: safe; the last call counts.
     * - Status: OK with a result for each id. NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    public example.frameway.v1.ExtendAckDeadlineResponse extendAckDeadline(example.frameway.v1.ExtendAckDeadlineRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getExtendAckDeadlineMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads frames of one stream by their sequences.
     * - Ordering: results have the order of the request.
     * - Retry: safe, reads only.
     * - Status: OK with a result for each sequence. NOT_FOUND (STREAM_NOT_FOUND), INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    public example.frameway.v1.GetFramesResponse getFrames(example.frameway.v1.GetFramesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetFramesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads the newest processed frame of each of several streams. Tombstones are skipped, however many there are.
     * - Ordering: results have the order of the request.
     * - Retry: safe, reads only.
     * - Status: OK with a result for each stream, also for unknown ones. INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    public example.frameway.v1.GetLatestFramesResponse getLatestFrames(example.frameway.v1.GetLatestFramesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetLatestFramesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads what is known of frames of one stream, in pages and without their pictures: by sequences, by the time of receipt, or
     * those around a moment. Says where frames of the range are gone, and what is kept. Only where GetServerInfo.features has
     * `list_frames`.
     * - Ordering: by sequence, on each page and from page to page. Frames that retention removes between two pages are in the
     *   gaps of the later one.
     * - Retry: safe, reads only.
     * - Status: OK, also when no frame is found. NOT_FOUND (STREAM_NOT_FOUND), INVALID_ARGUMENT (PAGE_TOKEN_INVALID).
     * </pre>
     */
    public example.frameway.v1.ListFramesResponse listFrames(example.frameway.v1.ListFramesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListFramesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads what the server is: version, features, limits, defaults, backend, durability. Answers also while the backend is away.
     * - Ordering: none.
     * - Retry: safe, reads only.
     * - Status: those of any RPC.
     * </pre>
     */
    public example.frameway.v1.GetServerInfoResponse getServerInfo(example.frameway.v1.GetServerInfoRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetServerInfoMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service StreamingService.
   * <pre>
   * Carries frames from cameras to subscribers. To register a stream, submit a picture, and read it back:
   *   grpcurl -plaintext -d '{"stream": {"stream_id": "road-1"}}' &#92;
   *     127.0.0.1:7400 frameway.v1.StreamRegistryService/RegisterStream
   *   echo '{"frames": [{"stream_id": "road-1", "data": "'$(base64 &lt; road.jpg | tr -d '&#92;n')'"}]}' |
   *     grpcurl -plaintext -d &#64; 127.0.0.1:7400 frameway.v1.StreamingService/SubmitFrameBatch
   *   grpcurl -plaintext -d '{"stop_after_frames": 1, "selectors": [{"streams": [{"id": "road-1"}], "start": {"earliest": {}}}]}' &#92;
   *     127.0.0.1:7400 frameway.v1.StreamingService/SubscribeFrames
   * Words:
   * - A stream is one camera. A frame is one picture of it, and gets a sequence when it is accepted: 1, 2, 3, and so on.
   * - Each stream belongs to one partition for good. Its accepted frames wait in the partition's work queue, and a worker turns
   *   each into a processed frame (pictures and measures) or, where there is no picture, a tombstone.
   * - Both are published to the stream's output, in order of sequence, and are kept there as long as the stream's RetentionPolicy
   *   says.
   * - A subscription (SubscribeFrames) reads outputs by itself. A consumer group (ConsumeFrames) shares the frames among its
   *   members, each of which acknowledges what it has handled.
   * - A gap says which sequences a reader does not get, and why. A cursor is a position in an output. The head is its newest
   *   entry.
   * - A dead letter is a stored frame that could not be processed or handled.
   * - Durability (GetServerInfo) is what an accepted frame survives.
   * Rules for every field: every uint64 is below 2^53, so that it fits a double; a higher one is INVALID_FIELD. If a field has a
   * default, unset means the default; for a field without presence, 0, empty, false or unspecified is unset. Bounds are
   * inclusive. Text is UTF-8. Times are in the years 1 to 9999. GetServerInfo.limits has the maxima in force.
   * Errors are google.rpc.Status with the detail google.rpc.ErrorInfo (see ErrorReason) and, where they apply, BadRequest (field
   * paths), RetryInfo (when to try again), ResourceInfo, and RequestInfo (the request id). A call may bring its own request id in
   * the metadata `x-request-id` (at most 128 characters); otherwise the server makes one. The response metadata `x-request-id`
   * returns it.
   * Any RPC may answer, beside the status codes that it lists: INVALID_ARGUMENT (INVALID_FIELD, INVALID_STREAM_ID, TOO_MANY_ITEMS,
   * UNKNOWN_FIELD, PROTOCOL_VIOLATION), UNAUTHENTICATED, PERMISSION_DENIED, RESOURCE_EXHAUSTED (QUOTA_EXCEEDED
   * with RetryInfo; BATCH_TOO_LARGE, METADATA_TOO_LARGE), UNAVAILABLE with RetryInfo (BACKEND_UNAVAILABLE, DRAINING),
   * DEADLINE_EXCEEDED, UNIMPLEMENTED (NOT_IMPLEMENTED) and INTERNAL. A call that is refused changes nothing. After UNAVAILABLE,
   * DEADLINE_EXCEEDED and INTERNAL it may have taken effect.
   * Newer and older programs:
   * - A server refuses what it does not know: an enum value, a oneof that is present without a known case, and (all RPCs but
   *   SubmitFrameBatch and SubmitFrames) any unknown field. Nothing is done then; in a batch, only the frame at fault is rejected.
   * - A client must expect enum values, oneof cases and fields that it does not know in responses. Ignore an unknown event and an
   *   unknown field. Treat an unset FrameResult as unconfirmed, an unset AckResult or DeadLetterResult as refused, an unset
   *   FrameLookup or LatestFrame as missing, an unknown GapReason as a gap, an unknown state as a state that needs no action.
   * - Before a client uses what was added after the first version of this API, it checks GetServerInfo.features.
   * Permissions: credentials come in the metadata `authorization` (`Bearer ...`: an API key or a token), or are the client's
   * certificate. They name a principal, which has grants. Publisher ids and member ids belong to the principal: two principals
   * may use the same ones. Globs, labels, lists and watches see what the caller may read. A resource that is named by its id and
   * may not be used is PERMISSION_DENIED, whether it exists or not. A picture that may not be read is omitted (NOT_PERMITTED). A
   * call that lasts ends with UNAUTHENTICATED when its credentials are revoked or expire, and with UNAVAILABLE (DRAINING) when
   * the caller's grants change. A server that does not authenticate treats all callers as one principal that may do everything.
   * Retries: if an RPC is called safe to retry, send it again after UNAVAILABLE, DEADLINE_EXCEEDED, and a CANCELLED that the
   * caller did not ask for. proto/frameway_v1_service_config.json has timeouts and retries for gRPC clients.
   * Transport: content type application/grpc or application/grpc+proto; messages uncompressed. The server enforces a call's
   * deadline over the whole call. A connection may have a maximum age: calls on it then end as when the server drains. On calls
   * that last, treat three heartbeat intervals without any message (at least 15 s before the first one) as a lost connection:
   * cancel, and open another.
   * </pre>
   */
  public static final class StreamingServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<StreamingServiceFutureStub> {
    private StreamingServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected StreamingServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new StreamingServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Stores 1 to 100 frames of any streams, and answers when they are stored at the server's durability.
     * - Ordering: frames of one stream and publisher get rising sequences in the order of the batch. After a refusal with a
     *   retry_delay, later frames of that stream in the batch are refused too (OUT_OF_ORDER). Calls that run at the same time are
     *   not ordered.
     * - Retry: safe for frames with publisher_id and publisher_sequence; others may be stored twice. If the call fails with
     *   UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED or INTERNAL, every frame counts as unconfirmed.
     * - Status: OK when frames were tried, with a result for each; a frame's own faults are in its result. INVALID_ARGUMENT
     *   (EMPTY_BATCH, TOO_MANY_FRAMES), RESOURCE_EXHAUSTED (BATCH_TOO_LARGE): no frame was tried. UNAVAILABLE
     *   (BACKEND_UNAVAILABLE): no frame was confirmed.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.SubmitFrameBatchResponse> submitFrameBatch(
        example.frameway.v1.SubmitFrameBatchRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getSubmitFrameBatchMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Acknowledges frames: the group is done with them. Any server accepts any ack id of the cluster.
     * - Ordering: results have the order of the ids.
     * - Retry: safe; acknowledging again succeeds. A late ack succeeds too, unless the frame was delivered again since
     *   or is no longer kept (ACK_ID_STALE), or has become a dead letter.
     * - Status: OK with a result for each id. NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.AcknowledgeFramesResponse> acknowledgeFrames(
        example.frameway.v1.AcknowledgeFramesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getAcknowledgeFramesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Rejects frames that could not be handled: they are delivered again after a delay, or become dead letters. This has effect
     * even after the member's call has ended, and after the deadline as long as no other member has the frame.
     * - Ordering: results have the order of the rejections.
     * - Retry: safe; rejecting an ack id again changes nothing.
     * - Status: OK with a result for each ack id. NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.RejectFramesResponse> rejectFrames(
        example.frameway.v1.RejectFramesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRejectFramesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Gives a group member more time for frames. This has effect even after the deadline, as long as no other member has the
     * frame. A member that is away keeps its frames for at most one ack_deadline of the group.
     * - Ordering: results have the order of the ids.
     * - Retry: safe; the last call counts.
     * - Status: OK with a result for each id. NOT_FOUND (GROUP_NOT_FOUND), INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.ExtendAckDeadlineResponse> extendAckDeadline(
        example.frameway.v1.ExtendAckDeadlineRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getExtendAckDeadlineMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Reads frames of one stream by their sequences.
     * - Ordering: results have the order of the request.
     * - Retry: safe, reads only.
     * - Status: OK with a result for each sequence. NOT_FOUND (STREAM_NOT_FOUND), INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.GetFramesResponse> getFrames(
        example.frameway.v1.GetFramesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetFramesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Reads the newest processed frame of each of several streams. Tombstones are skipped, however many there are.
     * - Ordering: results have the order of the request.
     * - Retry: safe, reads only.
     * - Status: OK with a result for each stream, also for unknown ones. INVALID_ARGUMENT (TOO_MANY_ITEMS).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.GetLatestFramesResponse> getLatestFrames(
        example.frameway.v1.GetLatestFramesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetLatestFramesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Reads what is known of frames of one stream, in pages and without their pictures: by sequences, by the time of receipt, or
     * those around a moment. Says where frames of the range are gone, and what is kept. Only where GetServerInfo.features has
     * `list_frames`.
     * - Ordering: by sequence, on each page and from page to page. Frames that retention removes between two pages are in the
     *   gaps of the later one.
     * - Retry: safe, reads only.
     * - Status: OK, also when no frame is found. NOT_FOUND (STREAM_NOT_FOUND), INVALID_ARGUMENT (PAGE_TOKEN_INVALID).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.ListFramesResponse> listFrames(
        example.frameway.v1.ListFramesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListFramesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Reads what the server is: version, features, limits, defaults, backend, durability. Answers also while the backend is away.
     * - Ordering: none.
     * - Retry: safe, reads only.
     * - Status: those of any RPC.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<example.frameway.v1.GetServerInfoResponse> getServerInfo(
        example.frameway.v1.GetServerInfoRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetServerInfoMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_SUBMIT_FRAME_BATCH = 0;
  private static final int METHODID_SUBSCRIBE_FRAMES = 1;
  private static final int METHODID_CONSUME_FRAMES = 2;
  private static final int METHODID_ACKNOWLEDGE_FRAMES = 3;
  private static final int METHODID_REJECT_FRAMES = 4;
  private static final int METHODID_EXTEND_ACK_DEADLINE = 5;
  private static final int METHODID_GET_FRAMES = 6;
  private static final int METHODID_GET_LATEST_FRAMES = 7;
  private static final int METHODID_LIST_FRAMES = 8;
  private static final int METHODID_GET_SERVER_INFO = 9;
  private static final int METHODID_SUBMIT_FRAMES = 10;

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
        case METHODID_SUBMIT_FRAME_BATCH:
          serviceImpl.submitFrameBatch((example.frameway.v1.SubmitFrameBatchRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.SubmitFrameBatchResponse>) responseObserver);
          break;
        case METHODID_SUBSCRIBE_FRAMES:
          serviceImpl.subscribeFrames((example.frameway.v1.SubscribeFramesRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.SubscribeFramesResponse>) responseObserver);
          break;
        case METHODID_CONSUME_FRAMES:
          serviceImpl.consumeFrames((example.frameway.v1.ConsumeFramesRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.ConsumeFramesResponse>) responseObserver);
          break;
        case METHODID_ACKNOWLEDGE_FRAMES:
          serviceImpl.acknowledgeFrames((example.frameway.v1.AcknowledgeFramesRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.AcknowledgeFramesResponse>) responseObserver);
          break;
        case METHODID_REJECT_FRAMES:
          serviceImpl.rejectFrames((example.frameway.v1.RejectFramesRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.RejectFramesResponse>) responseObserver);
          break;
        case METHODID_EXTEND_ACK_DEADLINE:
          serviceImpl.extendAckDeadline((example.frameway.v1.ExtendAckDeadlineRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.ExtendAckDeadlineResponse>) responseObserver);
          break;
        case METHODID_GET_FRAMES:
          serviceImpl.getFrames((example.frameway.v1.GetFramesRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.GetFramesResponse>) responseObserver);
          break;
        case METHODID_GET_LATEST_FRAMES:
          serviceImpl.getLatestFrames((example.frameway.v1.GetLatestFramesRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.GetLatestFramesResponse>) responseObserver);
          break;
        case METHODID_LIST_FRAMES:
          serviceImpl.listFrames((example.frameway.v1.ListFramesRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.ListFramesResponse>) responseObserver);
          break;
        case METHODID_GET_SERVER_INFO:
          serviceImpl.getServerInfo((example.frameway.v1.GetServerInfoRequest) request,
              (io.grpc.stub.StreamObserver<example.frameway.v1.GetServerInfoResponse>) responseObserver);
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
        case METHODID_SUBMIT_FRAMES:
          return (io.grpc.stub.StreamObserver<Req>) serviceImpl.submitFrames(
              (io.grpc.stub.StreamObserver<example.frameway.v1.SubmitFramesResponse>) responseObserver);
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getSubmitFrameBatchMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.SubmitFrameBatchRequest,
              example.frameway.v1.SubmitFrameBatchResponse>(
                service, METHODID_SUBMIT_FRAME_BATCH)))
        .addMethod(
          getSubmitFramesMethod(),
          io.grpc.stub.ServerCalls.asyncBidiStreamingCall(
            new MethodHandlers<
              example.frameway.v1.SubmitFramesRequest,
              example.frameway.v1.SubmitFramesResponse>(
                service, METHODID_SUBMIT_FRAMES)))
        .addMethod(
          getSubscribeFramesMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              example.frameway.v1.SubscribeFramesRequest,
              example.frameway.v1.SubscribeFramesResponse>(
                service, METHODID_SUBSCRIBE_FRAMES)))
        .addMethod(
          getConsumeFramesMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              example.frameway.v1.ConsumeFramesRequest,
              example.frameway.v1.ConsumeFramesResponse>(
                service, METHODID_CONSUME_FRAMES)))
        .addMethod(
          getAcknowledgeFramesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.AcknowledgeFramesRequest,
              example.frameway.v1.AcknowledgeFramesResponse>(
                service, METHODID_ACKNOWLEDGE_FRAMES)))
        .addMethod(
          getRejectFramesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.RejectFramesRequest,
              example.frameway.v1.RejectFramesResponse>(
                service, METHODID_REJECT_FRAMES)))
        .addMethod(
          getExtendAckDeadlineMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.ExtendAckDeadlineRequest,
              example.frameway.v1.ExtendAckDeadlineResponse>(
                service, METHODID_EXTEND_ACK_DEADLINE)))
        .addMethod(
          getGetFramesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.GetFramesRequest,
              example.frameway.v1.GetFramesResponse>(
                service, METHODID_GET_FRAMES)))
        .addMethod(
          getGetLatestFramesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.GetLatestFramesRequest,
              example.frameway.v1.GetLatestFramesResponse>(
                service, METHODID_GET_LATEST_FRAMES)))
        .addMethod(
          getListFramesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.ListFramesRequest,
              example.frameway.v1.ListFramesResponse>(
                service, METHODID_LIST_FRAMES)))
        .addMethod(
          getGetServerInfoMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              example.frameway.v1.GetServerInfoRequest,
              example.frameway.v1.GetServerInfoResponse>(
                service, METHODID_GET_SERVER_INFO)))
        .build();
  }

  private static abstract class StreamingServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    StreamingServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return example.frameway.v1.StreamingServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("StreamingService");
    }
  }

  private static final class StreamingServiceFileDescriptorSupplier
      extends StreamingServiceBaseDescriptorSupplier {
    StreamingServiceFileDescriptorSupplier() {}
  }

  private static final class StreamingServiceMethodDescriptorSupplier
      extends StreamingServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    StreamingServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (StreamingServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new StreamingServiceFileDescriptorSupplier())
              .addMethod(getSubmitFrameBatchMethod())
              .addMethod(getSubmitFramesMethod())
              .addMethod(getSubscribeFramesMethod())
              .addMethod(getConsumeFramesMethod())
              .addMethod(getAcknowledgeFramesMethod())
              .addMethod(getRejectFramesMethod())
              .addMethod(getExtendAckDeadlineMethod())
              .addMethod(getGetFramesMethod())
              .addMethod(getGetLatestFramesMethod())
              .addMethod(getListFramesMethod())
              .addMethod(getGetServerInfoMethod())
              .build();
        }
      }
    }
    return result;
  }
}
