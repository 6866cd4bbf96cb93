"""Who translates for the characters of a house."""

from __future__ import annotations

from contextlib import suppress

from neko.app.asides import Asides
from neko.config.manager import ConfigManager
from neko.config.model import Translation
from neko.config.snapshot import Snapshot
from neko.telemetry.metrics import Metrics
from neko.translation.service import MODEL, TranslationService
from neko.translation.step import Step
from neko.translation.tags import canonical
from neko.translation.with_googletrans import Googletrans
from neko.translation.with_model import model_step
from neko.translation.with_translatepy import Translatepy


class Translators:
    """Whoever makes it closes it."""

    def __init__(self, config: ConfigManager, asides: Asides, metrics: Metrics) -> None:
        self._asides = asides
        self._config = config
        self._googletrans = Googletrans()
        self._online: dict[str, Googletrans | Translatepy] = {
            "googletrans": self._googletrans,
            "translatepy": Translatepy(metrics),
        }
        self._service = TranslationService(self._settings, self._online, metrics)

    async def translate(self, snapshot: Snapshot, text: str, wanted: str) -> str | None:
        """As `neko.nurseries.ports.Translate`."""
        spoken = canonical(snapshot.character.language)
        return spoken and await self._service.translate(text, spoken, wanted, self._model(snapshot))

    async def prepare(self) -> None:
        """As `neko.nurseries.ports.PrepareTranslation`."""
        chain = self._settings().chain
        if chain:
            await self._service.prepare()
        for name, step in self._online.items():
            if name in chain:
                # Whatever is wrong with a library is the step's failure, when it is asked.
                with suppress(Exception):
                    await step.prepare()

    async def aclose(self) -> None:
        await self._googletrans.aclose()

    def _settings(self) -> Translation:
        return self._config.configuration.translation

    def _model(self, snapshot: Snapshot) -> Step | None:
        ask = self._asides.of(snapshot)
        return model_step(f"{MODEL} {snapshot.text_provider_name}", ask) if ask else None
