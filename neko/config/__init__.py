"""Characters, providers, voices and server settings, as one consistent value."""

from neko.config.errors import ConfigError as ConfigError
from neko.config.errors import StorageError as StorageError
from neko.config.errors import UnknownCharacter as UnknownCharacter
from neko.config.find import data_folder as data_folder
from neko.config.find import find_configuration as find_configuration
from neko.config.manager import Change as Change
from neko.config.manager import ConfigManager as ConfigManager
from neko.config.model import Agents as Agents
from neko.config.model import AudioFrames as AudioFrames
from neko.config.model import Character as Character
from neko.config.model import Configuration as Configuration
from neko.config.model import Example as Example
from neko.config.model import Generation as Generation
from neko.config.model import Prepare as Prepare
from neko.config.model import Provider as Provider
from neko.config.model import ProviderKind as ProviderKind
from neko.config.model import Server as Server
from neko.config.model import SessionPolicy as SessionPolicy
from neko.config.model import Translation as Translation
from neko.config.model import WebSocketLibrary as WebSocketLibrary
from neko.config.read import built_in as built_in
from neko.config.read import parse as parse
from neko.config.read import read_configuration as read_configuration
from neko.config.snapshot import Snapshot as Snapshot
from neko.config.store import OverrideStore as OverrideStore
