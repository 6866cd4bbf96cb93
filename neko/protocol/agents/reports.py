"""What agents send: one frozen value per `event_type`, joined in `Report`. Fields that are not here are ignored."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from attrs import field, frozen


class Delivery(StrEnum):
    """How a result reaches the person."""

    PROACTIVE = "proactive"  # told as soon as nobody speaks and nobody waits
    PASSIVE = "passive"  # told with the next answer
    SILENT = "silent"  # the client is notified and the model knows; never told unasked


class TaskStatus(StrEnum):
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"


@frozen(kw_only=True)
class Result:
    """`task_result` or `proactive_message`. A second one of the same task and status is the same one again."""

    lanlan_name: str
    text: str | None = field(default=None, repr=False)
    summary: str | None = field(default=None, repr=False)
    detail: str | None = field(default=None, repr=False)
    error_message: str | None = field(default=None, repr=False)
    success: bool | None = None
    status: TaskStatus | None = None
    task_id: str | None = None
    channel: str | None = None
    source_name: str | None = None
    delivery_mode: Delivery | None = None


@frozen(kw_only=True)
class TaskUpdate:
    """How far a task is; without a name it concerns every character."""

    task: dict[str, Any] = field(repr=False)
    lanlan_name: str | None = None


@frozen(kw_only=True)
class StatusUpdate:
    """How the agents are, and under `flags` what they are ready to do; without a name for every character."""

    snapshot: dict[str, Any] = field(repr=False)
    lanlan_name: str | None = None


@frozen(kw_only=True)
class AnalyzeAck:
    """An analyze request has arrived."""

    event_id: str
    lanlan_name: str | None = None


@frozen(kw_only=True)
class BridgeReady:
    """An agent's process has connected."""

    pid: int | None = None


@frozen(kw_only=True)
class Heartbeat:
    """An agent's process is there."""

    pid: int | None = None


Report = Result | TaskUpdate | StatusUpdate | AnalyzeAck | BridgeReady | Heartbeat

REPORTS: dict[str, type[Any]] = {
    "task_result": Result,
    "proactive_message": Result,
    "task_update": TaskUpdate,
    "agent_status_update": StatusUpdate,
    "analyze_ack": AnalyzeAck,
    "agent_bridge_ready": BridgeReady,
    "agent_bridge_heartbeat": Heartbeat,
}
