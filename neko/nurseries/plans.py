"""What a character's model sessions are to be, as the configuration has it at the moment when somebody asks."""

from __future__ import annotations

from attrs import evolve, frozen

from neko.config.errors import ConfigError, UnknownCharacter
from neko.config.manager import ConfigManager
from neko.config.snapshot import Snapshot
from neko.nurseries.plan import Plan
from neko.nurseries.ports import Ports
from neko.protocol.client import InputMode, SwapSession


@frozen
class Plans:
    """One character's."""

    _character: str
    _config: ConfigManager
    _ports: Ports

    @property
    def snapshot(self) -> Snapshot:
        """The character; its tools are not looked up."""
        return self._config.snapshot(self._character)

    def first(self, mode: InputMode) -> Plan:
        return Plan(self._declaring(self.snapshot), mode)

    def newest(self, plan: Plan) -> Plan:
        """The same session as it would be now; as it is, when the configuration has no place for it."""
        try:
            snapshot = self._config.snapshot_with(self._character, plan.wishes)
        except (ConfigError, UnknownCharacter):
            return plan
        return evolve(plan, snapshot=self._declaring(snapshot), stands_in=False)

    def wished(self, plan: Plan, wish: SwapSession) -> Plan:
        """The session with what the client wishes to be other. Raises ConfigError."""
        provider = "provider" if plan.mode is InputMode.AUDIO else "text_provider"
        asked = {
            provider: wish.provider,
            "voice": wish.voice,
            "prompt": wish.prompt,
            "language": wish.language,
            "tts": wish.tts,
        }
        wishes = {**plan.wishes, **{key: value for key, value in asked.items() if value is not None}}
        return Plan(self._declaring(self._config.snapshot_with(self._character, wishes)), plan.mode, wishes)

    def _declaring(self, snapshot: Snapshot) -> Snapshot:
        """With the tools that the character may use, as they describe themselves at this moment."""
        return evolve(snapshot, tools=self._ports.tools.declared(snapshot))
