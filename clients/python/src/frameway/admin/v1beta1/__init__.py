"""Generated from proto/frameway/admin/v1beta1 by scripts/gen-clients.sh. Do not edit."""

from frameway.admin.v1beta1.admin_service_pb2 import (
    BackendMetrics,
    GetSystemMetricsRequest,
    GetSystemMetricsResponse,
    ReasonCount,
    ServerMetrics,
    WorkerMetrics,
)
from frameway.admin.v1beta1.admin_service_pb2_grpc import (
    AdminServiceServicer,
    AdminServiceStub,
    add_AdminServiceServicer_to_server,
)

__all__ = [
    "AdminServiceServicer",
    "AdminServiceStub",
    "BackendMetrics",
    "GetSystemMetricsRequest",
    "GetSystemMetricsResponse",
    "ReasonCount",
    "ServerMetrics",
    "WorkerMetrics",
    "add_AdminServiceServicer_to_server",
]
