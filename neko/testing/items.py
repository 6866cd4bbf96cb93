"""The items of one pretended conversation: which there are, and how much of a reply may be remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neko.testing.exchange import Event, Fact, ItemAdded, ItemDeleted, ItemTruncated, Refused

if TYPE_CHECKING:
    from neko.testing.exchange import Reply


class Items:
    """Items in their order; what cannot be done with one comes back as `Refused`."""

    def __init__(self) -> None:
        self._items: dict[str, Reply | None] = {}

    @property
    def last(self) -> str | None:
        return next(reversed(self._items), None)

    def put(self, item_id: str, reply: Reply | None = None) -> None:
        self._items[item_id] = reply

    def add(self, item: Event, spare_id: str) -> Fact:
        """A client's item, under its own id or the spare one."""
        call_id = item.get("call_id")
        if item.get("type") == "function_call_output" and call_id is not None and not self._called(call_id):
            message = f"Tool call ID '{call_id}' not found in conversation."
            return Refused("invalid_tool_call_id", message, "item.call_id")
        previous, item_id = self.last, item.get("id") or spare_id
        self._items[item_id] = None
        return ItemAdded({**item, "id": item_id}, previous)

    def truncate(self, item_id: str, audio_end_ms: int) -> Fact:
        reply = self._items.get(item_id)
        if reply is None:
            return Refused("item_truncate_invalid_item_id", f"Item '{item_id}' not found.", "item_id")
        if audio_end_ms > reply.spoken_ms:
            message = f"Audio content of {reply.spoken_ms}ms is already shorter than {audio_end_ms}ms"
            return Refused("invalid_value", message, "audio_end_ms")
        reply.spoken_ms = audio_end_ms
        return ItemTruncated(item_id, audio_end_ms)

    def delete(self, item_id: str) -> Fact:
        if item_id not in self._items:
            return Refused("item_delete_invalid_item_id", f"Item '{item_id}' not found.", "item_id")
        del self._items[item_id]
        return ItemDeleted(item_id)

    def _called(self, call_id: str) -> bool:
        calls = (reply.call for reply in self._items.values() if reply is not None)
        return any(call is not None and call.call_id == call_id for call in calls)
