"""Tools that characters use: plug-ins and MCP servers, as the configuration names them."""

from neko.tools.plug_in import PlugIn as PlugIn
from neko.tools.tool import NoTools as NoTools
from neko.tools.tool import ToolError as ToolError
from neko.tools.tool import Tools as Tools
from neko.tools.tool import Usable as Usable
from neko.tools.toolbox import Toolbox as Toolbox
