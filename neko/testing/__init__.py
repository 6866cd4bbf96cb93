"""What neko and its plug-ins are tested with: a provider simulator, a chat endpoint, servers of voices, a fault proxy
and tagged sound.

A voice of your own is tried like neko's own: `open_http_voice(say(b"…"))` is a vendor on loopback that answers each
request with the next script, piece by piece; `open_websocket_voice` takes `Hear()` where the client has to speak. Both
are slow, silent, cut off or dismissive where the script says so, and keep what they were asked.
"""

from neko.testing.behaviour import Behaviour as Behaviour
from neko.testing.behaviour import ToolCall as ToolCall
from neko.testing.chat import Chat as Chat
from neko.testing.chat import ChatRequest as ChatRequest
from neko.testing.chat import open_chat as open_chat
from neko.testing.chat_reply import ChatReply as ChatReply
from neko.testing.chat_reply import Style as Style
from neko.testing.dialects.kinds import BETAS as BETAS
from neko.testing.dialects.kinds import DIALECTS as DIALECTS
from neko.testing.dialects.kinds import with_real_limits as with_real_limits
from neko.testing.faults import Faults as Faults
from neko.testing.faults import Way as Way
from neko.testing.memory import ProviderInMemory as ProviderInMemory
from neko.testing.memory import open_provider_in_memory as open_provider_in_memory
from neko.testing.provider import Provider as Provider
from neko.testing.provider import open_provider as open_provider
from neko.testing.proxy import FaultProxy as FaultProxy
from neko.testing.proxy import open_proxy as open_proxy
from neko.testing.record import Ended as Ended
from neko.testing.record import Handshake as Handshake
from neko.testing.record import Party as Party
from neko.testing.session import ProviderSession as ProviderSession
from neko.testing.tagged import TagReader as TagReader
from neko.testing.tagged import silence as silence
from neko.testing.tagged import tag as tag
from neko.testing.translators import TranslatorReply as TranslatorReply
from neko.testing.translators import Translators as Translators
from neko.testing.translators import open_translators as open_translators
from neko.testing.voices.http import open_http_voice as open_http_voice
from neko.testing.voices.record import VoiceServer as VoiceServer
from neko.testing.voices.script import Hear as Hear
from neko.testing.voices.script import Script as Script
from neko.testing.voices.script import say as say
from neko.testing.voices.websocket import open_websocket_voice as open_websocket_voice
