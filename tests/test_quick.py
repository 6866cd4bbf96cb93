"""A lock and a channel that do not give way: the same order, the same bounds and the same ends as Trio's."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from neko.sockets.quick import QuickLock, QuickReceiver, QuickSender


async def test_who_waits_for_the_lock_gets_it_in_the_order_of_coming(autojump_clock: trio.testing.MockClock) -> None:
    lock, order = QuickLock(), []

    async def hold(name: str) -> None:
        async with lock:
            order.append(f"{name} begins")
            await trio.sleep(1)
            order.append(f"{name} ends")

    async with trio.open_nursery() as nursery:
        for name in ("first", "second", "third"):
            nursery.start_soon(hold, name)
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(2.5)
        nursery.start_soon(hold, "fourth")
    assert order == [f"{name} {what}" for name in ("first", "second", "third", "fourth") for what in ("begins", "ends")]


async def test_who_gives_up_waiting_is_passed_over_and_who_breaks_off_lets_go(
    autojump_clock: trio.testing.MockClock,
) -> None:
    lock, order = QuickLock(), []

    async def hold(name: str, within_s: float) -> None:
        with trio.move_on_after(within_s):
            async with lock:
                order.append(name)
                await trio.sleep(10)

    async with trio.open_nursery() as nursery:
        for name, within_s in (("broke off", 2), ("gave up", 1), ("got it", 20)):
            nursery.start_soon(hold, name, within_s)
            await trio.testing.wait_all_tasks_blocked()
    assert order == ["broke off", "got it"]
    async with lock:
        assert trio.current_time() == 12


async def test_a_full_channel_holds_its_sender_back(autojump_clock: trio.testing.MockClock) -> None:
    receiver, sent = QuickReceiver[int](2), list[int]()
    sender = QuickSender(receiver)

    async def send_all() -> None:
        async with sender:
            for number in range(5):
                await sender.send(number)
                sent.append(number)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send_all)
        await trio.testing.wait_all_tasks_blocked()
        assert sent == [0, 1]
        assert [await receiver.receive() for _ in range(5)] == [0, 1, 2, 3, 4]
        with pytest.raises(trio.EndOfChannel):
            await receiver.receive()


async def test_what_waits_is_not_received_by_who_is_cancelled() -> None:
    receiver = QuickReceiver[str](1)
    sender = QuickSender(receiver)
    await sender.send("kept")
    with trio.CancelScope() as scope:
        scope.cancel()
        await receiver.receive()
    assert scope.cancelled_caught
    assert await receiver.receive() == "kept"
    await receiver.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await receiver.receive()
    with pytest.raises(trio.BrokenResourceError):
        await sender.send("to nobody")


async def test_who_waits_at_a_channel_is_told_that_it_is_closed(autojump_clock: trio.testing.MockClock) -> None:
    """The sender of a full one by its receiver's end, the receiver of an empty one by its own."""
    full, empty = QuickReceiver[str](1), QuickReceiver[str](1)

    async def send() -> None:
        sender = QuickSender(full)
        await sender.send("fits")
        with pytest.raises(trio.BrokenResourceError):
            await sender.send("does not")

    async def receive() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await empty.receive()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        await full.aclose()
        await empty.aclose()


async def test_what_is_taken_where_it_comes_wakes_nobody(autojump_clock: trio.testing.MockClock) -> None:
    """Only while somebody waits and nothing else does: nothing overtakes."""
    receiver, shown = QuickReceiver[int](4), list[int]()
    sender = QuickSender(receiver)

    def even(number: int) -> bool:
        shown.append(number)
        return number % 2 == 0

    await sender.send(0)
    assert await receiver.receive(even) == 0
    async with trio.open_nursery() as nursery:
        got = list[int]()

        async def receive() -> None:
            got.append(await receiver.receive(even))

        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        for number in (2, 4, 5, 6):
            if not receiver.hand(number):
                await sender.send(number)
    assert (got, shown) == ([5], [2, 4, 5])
    assert await receiver.receive(even) == 6


async def test_who_is_cancelled_is_not_asked_any_more() -> None:
    """What it would have left would be asked about again."""
    receiver, shown = QuickReceiver[str](1), list[str]()
    sender = QuickSender(receiver)

    def no(item: str) -> bool:
        shown.append(item)
        return False

    async def receive() -> None:
        with waiting:
            await receiver.receive(no)

    waiting = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        waiting.cancel()
        assert not receiver.hand("late")
        await sender.send("late")
    assert shown == []
    assert await receiver.receive(no) == "late"
