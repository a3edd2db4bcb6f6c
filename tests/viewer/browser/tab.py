"""A tab of a browser without the browser: it speaks viser's protocol, and knows widgets by their labels."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import numpy as np
import viser
import zstandard
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

CAMERA = {
    "type": "ViewerCameraMessage", "wxyz": (1.0, 0.0, 0.0, 0.0), "position": (3.0, -3.0, 2.0), "fov": 0.7, "near": 0.01,
    "far": 100.0, "image_height": 720, "image_width": 1280, "look_at": (0.0, 0.0, 1.0), "up_direction": (0.0, 0.0, 1.0),
}  # fmt: skip


class Tab:
    """One connection to a server; ``receive`` takes in what has been sent so far."""

    def __init__(self, port: int, **options: Any) -> None:
        self._socket = connect(
            f"ws://127.0.0.1:{port}", subprotocols=[f"viser-v{viser.__version__}"], max_size=None, **options
        )
        self.widgets: dict[str, dict[str, Any]] = {}  # by uuid
        self.nodes: dict[str, dict[str, Any]] = {}  # of the scene, by name
        self.updates: list[tuple[str, dict[str, Any]]] = []  # of widgets: uuid and what changed
        self.downloads: dict[str, bytes] = {}  # file name → content, once it is complete
        self._transfers: dict[str, dict[str, Any]] = {}  # uuid → what was said when it began
        self._parts: dict[str, list[bytes]] = {}
        self._send(CAMERA)

    def close(self) -> None:
        """Close it, as a user closes a tab."""
        self._socket.close()

    def receive(self) -> None:
        """Take in what has been sent."""
        while True:
            try:
                self._take(self._socket.recv(timeout=0))
            except (TimeoutError, ConnectionClosed):
                return

    def uuid(self, label: str) -> str:
        """Of the widget whose label begins with a text; weights and ticks write their value behind it."""
        labels = {uuid: str(widget.get("label") or "") for uuid, widget in self.widgets.items()}
        found = sorted((uuid for uuid in labels if labels[uuid].startswith(label)), key=lambda u: labels[u] != label)
        assert found, f"no widget {label!r} among {sorted(str(w.get('label')) for w in self.widgets.values())}"
        return found[0]

    def widget(self, label: str) -> dict[str, Any]:
        """The properties and the value of a widget."""
        return self.widgets[self.uuid(label)]

    def change(self, label: str, value: Any) -> None:
        """Give a widget a value, as a user does; of a group of buttons, press one."""
        widget = self.widget(label)
        widget["value"] = value
        self._send({"type": "GuiUpdateMessage", "uuid": self.uuid(label), "updates": {"value": value}})

    def press(self, label: str) -> None:
        """Press a button."""
        self.change(label, True)

    def _send(self, message: dict[str, Any]) -> None:
        self._socket.send(msgspec.msgpack.encode(message))

    def _take(self, data: str | bytes) -> None:
        assert isinstance(data, bytes)
        length = int.from_bytes(data[8:16], "little")
        content = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(data[16 : 16 + length]))
        arrays, at = [], 16 + length
        for size in content["binaryBufferLengths"]:
            at += (8 - at % 8) % 8
            arrays.append(data[at : at + size])
            at += size
        for message in content["messages"]:
            self._apply(message, arrays)

    def _apply(self, message: dict[str, Any], arrays: list[bytes]) -> None:
        kind = message["type"]
        if kind == "GuiUpdateMessage":
            self.updates.append((message["uuid"], message["updates"]))
            self.widgets.setdefault(message["uuid"], {}).update(message["updates"])
        elif kind == "GuiRemoveMessage":
            self.widgets.pop(message["uuid"], None)
        elif kind.startswith("Gui") and "props" in message:
            self.widgets[message["uuid"]] = message["props"] | {"value": message.get("value")}
        elif kind == "FileTransferStartDownload":
            self._transfers[message["transfer_uuid"]] = message
            self._parts[message["transfer_uuid"]] = []
        elif kind == "FileTransferPart":
            begun, parts = self._transfers[message["transfer_uuid"]], self._parts[message["transfer_uuid"]]
            parts.append(message["content"])
            if len(parts) == begun["part_count"]:
                self.downloads[begun["filename"]] = b"".join(parts)
        elif kind == "SceneNodeUpdateMessage":
            self.nodes.setdefault(message["name"], {}).update(_with_arrays(message["updates"], arrays))
        elif kind == "SetSceneNodeVisibilityMessage":
            self.nodes.setdefault(message["name"], {})["visible"] = message["visible"]
        elif "name" in message and "props" in message:
            self.nodes[message["name"]] = _with_arrays(message["props"], arrays) | {"visible": True}


def _with_arrays(values: dict[str, Any], arrays: list[bytes]) -> dict[str, Any]:
    """Values in which arrays of 32-bit floats stand in place of their numbers."""
    found = dict(values)
    for name, value in values.items():
        if name in ("vertices", "points") and isinstance(value, dict):
            (index,) = (entry for key, entry in value.items() if "index" in key.lower())
            found[name] = np.frombuffer(arrays[index], np.float32).reshape(-1, 3)
    return found


def wait(condition: Any, *, turn: Any, seconds: float = 20.0) -> None:
    """Take turns until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        turn()
