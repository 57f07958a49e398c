"""Messages, and a server with scripted answers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent import futures

import grpc
from google.protobuf import any_pb2, duration_pb2, message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from processes import DEADLINE_SECONDS

from frameway import v1

# --- Messages. ---


def checkpoint(cursor: str) -> v1.SubscribeFramesResponse:
    response = v1.SubscribeFramesResponse()
    response.checkpoint.cursors.add(stream_id="cam", cursor=cursor)
    return response


def heartbeat() -> v1.SubscribeFramesResponse:
    response = v1.SubscribeFramesResponse()
    response.heartbeat.SetInParent()
    return response


def frame(sequence: int, picture: bytes = b"") -> v1.SubscribeFramesResponse:
    response = v1.SubscribeFramesResponse()
    response.frame.frame.stream_id = "cam"
    response.frame.frame.sequence = sequence
    if picture:
        response.frame.frame.pictures.add(data=picture)
    response.frame.cursor = f"after-{sequence}"
    return response


def ready() -> v1.ConsumeFramesResponse:
    response = v1.ConsumeFramesResponse()
    response.ready.ack_deadline.FromSeconds(30)
    return response


def consumed(sequence: int) -> v1.ConsumeFramesResponse:
    response = v1.ConsumeFramesResponse()
    response.frame.frame.stream_id = "cam"
    response.frame.frame.sequence = sequence
    response.frame.ack_id = f"ack-{sequence}"
    return response


def subscription(stream_id: str = "cam", heartbeat_seconds: int = 1) -> v1.SubscribeFramesRequest:
    request = v1.SubscribeFramesRequest()
    selector = request.selectors.add()
    selector.streams.add(id=stream_id)
    selector.start.earliest.SetInParent()
    request.heartbeat_interval.FromSeconds(heartbeat_seconds)
    return request


def start_of(request: v1.SubscribeFramesRequest) -> str:
    """Returns the cursor after which a request resumes; an empty text if it has none."""
    cursors = request.selectors[0].start.cursors.cursors
    return cursors[0].cursor if cursors else ""


def refusal(
    code: int, text: str, reason: int = 0, retry_seconds: float | None = None, metadata: dict[str, str] | None = None
) -> grpc.Status:
    """Returns a status with details, like those of the server."""
    details: list[message.Message] = []
    if reason:
        details.append(
            error_details_pb2.ErrorInfo(reason=v1.ErrorReason.Name(reason), domain="frameway.example", metadata=metadata)
        )
    if retry_seconds is not None:
        delay = duration_pb2.Duration(nanos=int(retry_seconds * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=code, message=text)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return rpc_status.to_status(status)


ABORTED = code_pb2.ABORTED
UNAVAILABLE = code_pb2.UNAVAILABLE
RESOURCE_EXHAUSTED = code_pb2.RESOURCE_EXHAUSTED


# --- A server with scripted answers. ---

Subscribed = Callable[[v1.SubscribeFramesRequest, grpc.ServicerContext], Iterable]
Consumed = Callable[[v1.ConsumeFramesRequest, grpc.ServicerContext], Iterable]
Submitted = Callable[[v1.SubmitFrameBatchRequest, grpc.ServicerContext], object]


class Scripted(v1.StreamingServiceServicer):
    """Answers the nth call of a method by the nth entry, and further calls by the last entry."""

    def __init__(
        self,
        subscriptions: Sequence[Subscribed] = (),
        batches: Sequence[Submitted] = (),
        members: Sequence[Consumed] = (),
        acknowledgements: Sequence[Callable] = (),
    ) -> None:
        self._subscriptions = subscriptions
        self._members = members
        self._acknowledgements = acknowledgements
        self._batches = batches
        self._lock = threading.Lock()
        self.subscribed: list[v1.SubscribeFramesRequest] = []
        self.submitted: list[v1.SubmitFrameBatchRequest] = []
        self.consumed: list[v1.ConsumeFramesRequest] = []
        self.acknowledged: list[v1.AcknowledgeFramesRequest] = []
        self.peers: dict[str, set[str]] = {"subscribe": set(), "acknowledge": set()}

    def SubscribeFrames(self, request, context):
        with self._lock:
            number = len(self.subscribed)
            self.subscribed.append(request)
            self.peers["subscribe"].add(context.peer())
        yield from self._subscriptions[min(number, len(self._subscriptions) - 1)](request, context)

    def ConsumeFrames(self, request, context):
        with self._lock:
            number = len(self.consumed)
            self.consumed.append(request)
        yield from self._members[min(number, len(self._members) - 1)](request, context)

    def SubmitFrameBatch(self, request, context):
        with self._lock:
            number = len(self.submitted)
            self.submitted.append(request)
        return self._batches[min(number, len(self._batches) - 1)](request, context)

    def AcknowledgeFrames(self, request, context):
        with self._lock:
            number = len(self.acknowledged)
            self.acknowledged.append(request)
            self.peers["acknowledge"].add(context.peer())
        if self._acknowledgements:
            self._acknowledgements[min(number, len(self._acknowledgements) - 1)](request, context)
        response = v1.AcknowledgeFramesResponse()
        for _ in request.ack_ids:
            response.results.add().done.SetInParent()
        return response


def accept(request, _context) -> v1.SubmitFrameBatchResponse:
    response = v1.SubmitFrameBatchResponse()
    for number, _ in enumerate(request.frames, start=1):
        response.results.add().accepted.sequence = number
    return response


def refuse(status: grpc.Status) -> Callable:
    def answer(_request, context):
        context.abort_with_status(status)

    return answer


def wait_for_end(context: grpc.ServicerContext) -> None:
    """Sends nothing until the client ends the call."""
    ended = threading.Event()
    if context.add_callback(ended.set):
        ended.wait(DEADLINE_SECONDS)


@contextlib.contextmanager
def serving(servicer: Scripted, options: Sequence[tuple[str, object]] = ()) -> Iterator[str]:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32), options=options)
    v1.add_StreamingServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait(DEADLINE_SECONDS)


def register(stub: v1.StreamRegistryServiceStub, stream_id: str) -> None:
    request = v1.RegisterStreamRequest(stream=v1.Stream(stream_id=stream_id))
    stub.RegisterStream(request, timeout=DEADLINE_SECONDS, wait_for_ready=True)


def grey_frame(stream_id: str, number: int) -> v1.Frame:
    """Returns a frame with a raw picture of 16 x 16 pixels."""
    frame = v1.Frame(stream_id=stream_id, publisher_id="camera", publisher_sequence=number, data=bytes([number % 256]) * 256)
    frame.format = v1.PICTURE_FORMAT_GRAY8
    frame.width = 16
    frame.height = 16
    return frame


def duration(seconds: float) -> duration_pb2.Duration:
    """Returns a duration."""
    made = duration_pb2.Duration()
    made.FromMilliseconds(int(seconds * 1000))
    return made
