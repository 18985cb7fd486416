"""The API described, as OpenAPI 3.1; tests/test_web_schema.py holds server and description to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stegcinn import __version__

Json = dict[str, Any]

ID: Json = {"type": "string", "pattern": "^[A-Za-z0-9_-]{22}$"}
TEXT: Json = {"type": "string"}
NUMBER: Json = {"type": "number"}
COUNT: Json = {"type": "integer", "minimum": 0}
SHARE: Json = {"type": "number", "minimum": 0, "maximum": 1}
PASSWORD: Json = {
    "type": ["string", "null"],
    "format": "password",
    "description": "none if null; empty or not Unicode, the job fails",
}


def document(choices: Mapping[str, Sequence[str]], *, max_upload: int, max_album: int) -> Json:
    """The whole description, for the choices that this version offers, by field."""
    codecs, colors, formats = choices["codec"], choices["colors"], choices["format"]
    codec: Json = {"enum": [*codecs, None], "description": "how bits become colours; null chooses"}
    color: Json = {"enum": [*colors, None], "description": "null: keep, but generate for a gray photo"}
    through = "what the container has to come through, in a JPEG of that size; null: it is sent as it is"
    channel: Json = {"enum": [*choices["channel"], None], "description": through}
    several: Json = {"type": "array", "items": ID, "minItems": 1, "maxItems": max_album}
    name: Json = {"type": ["string", "null"], "description": "of the payload; what is unsafe is taken off"}
    halved = "scale the photo down to half first; edges are drawn anew each time, so room differs a little"
    halve: Json = {"type": "boolean", "description": halved}
    stripped = "leave out what a JPEG tells besides its picture; other files never keep it"
    thorough: Json = {"type": "boolean", "description": "look for codecs, too, that take long to look for"}
    orders = {
        "look": ("Read a photo: its size, the format to hide in it, and a `thumbnail`.", _object(photo=ID)),
        "measure": (
            "Measure how much a photo takes.",
            _object(
                ["photo"],
                photo=ID,
                codec=codec,
                colors=color,
                halve=halve,
                channel=channel,
                format={"enum": list(formats)},
            ),
        ),
        "chart": (
            "Draw where a photo can hide; file: the `map`, as large as the thumbnail.",
            _object(photo=ID),
        ),
        "weigh": ("Find how many bytes of capacity a payload needs.", _object(payload=ID)),
        "hide": (
            "Hide a payload; files: the `container`, and pictures to compare.",
            _object(
                ["host", "payload"],
                host=ID,
                payload=ID,
                name=name,
                password=PASSWORD,
                codec=codec,
                colors=color,
                halve=halve,
                channel=channel,
                format={"enum": list(formats)},
                strip_metadata={"type": "boolean", "description": stripped},
            ),
        ),
        "reveal": (
            "Reveal a payload; file: `payload`.",
            _object(["image"], image=ID, password=PASSWORD, thorough=thorough),
        ),
        "survey": (
            "Look at a photo that may be one of an album: a `thumbnail`, and how much it carries unseen.",
            _object(photo=ID),
        ),
        "hide_album": (
            "Hide a payload in several photos; file: the `album`, a ZIP archive of them.",
            _object(
                ["hosts", "payload"],
                hosts=several,
                names={
                    "type": "array",
                    "items": TEXT,
                    "description": "of the photos, in their order; others are called photo",
                },
                payload=ID,
                name=name,
                password=PASSWORD,
                spare={**TEXT, "description": 'how many photos may be lost, or which part of them: "1", "20%"'},
                strip_metadata={"type": "boolean", "description": stripped},
            ),
        ),
        "reveal_album": (
            "Reveal what several images hold together, in any order; file: `payload`.",
            _object(["images"], images=several, password=PASSWORD, thorough=thorough),
        ),
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "stegcinn serve",
            "version": __version__,
            "description": (
                "Upload a file, order a job that names it, ask after the job until it is done, fetch its files. "
                "All of it is kept in memory, and dropped when nobody has asked for it for ten minutes. "
                "Requests must name this machine as Host, and come from no other page."
            ),
        },
        "security": [{"token": []}],
        "paths": {
            "/api/options": {
                "get": {
                    "operationId": "options",
                    "summary": "What may be chosen, and the limits.",
                    "responses": {"200": _json("Options"), **_errors()},
                }
            },
            "/api/uploads": {
                "post": {
                    "operationId": "upload",
                    "summary": f"Upload a photo or a payload of at most {max_upload} bytes.",
                    "requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {}}}},
                    "responses": {"201": {**_json("Upload"), "links": _upload_links()}, **_errors(400, 413, 415)},
                }
            },
            "/api/uploads/{id}": {
                "parameters": [_parameter("id")],
                "delete": {
                    "operationId": "drop_upload",
                    "summary": "Forget an upload.",
                    "responses": {"204": {"description": "forgotten"}, **_errors(404)},
                },
            },
            **{f"/api/{name}": _order(name, *order) for name, order in orders.items()},
            "/api/jobs/{id}": {
                "parameters": [_parameter("id")],
                "get": {
                    "operationId": "job",
                    "summary": "Ask after a job.",
                    "responses": {"200": _json("Job"), **_errors(404)},
                },
                "delete": {
                    "operationId": "drop_job",
                    "summary": "Cancel a job if it has not ended, and forget it and its files.",
                    "responses": {"204": {"description": "forgotten"}, **_errors(404)},
                },
            },
            "/api/jobs/{id}/files/{file}": {
                "parameters": [_parameter("id"), {**_parameter("file"), "schema": TEXT}],
                "get": {
                    "operationId": "file",
                    "summary": "Fetch a file that a job made; never under the type that it claims to be of.",
                    "responses": {
                        "200": {"description": "the file", "content": {"application/octet-stream": {}}},
                        **_errors(404),
                    },
                },
            },
        },
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "what follows # in the address that stegcinn serve prints",
                }
            },
            "schemas": _schemas(choices, tuple(orders)),
        },
    }


def _schemas(choices: Mapping[str, Sequence[str]], kinds: Sequence[str]) -> Json:
    codecs, colors, formats = choices["codec"], choices["colors"], choices["format"]
    notes: Json = {"type": "array", "items": TEXT}
    chosen = {"codec": {"enum": list(codecs)}, "colors": {"enum": list(colors)}}
    size = {"width": COUNT, "height": COUNT}
    judged: dict[str, Json] = {"verdict": {"enum": ["safe", "noticeable", "provable"]}, "reason": TEXT}
    names: dict[str, Json] = {
        key: {"type": "array", "items": {"enum": list(values)}}
        for key, values in {"codecs": codecs, "colors": colors, "formats": formats}.items()
    }
    labels = {
        field: _object(**dict.fromkeys(choices[of], TEXT))
        for field, of in (("labels", "codec"), ("channels", "channel"))
    }
    limits = dict.fromkeys(("max_upload", "max_album", "max_album_bytes", "min_side", "max_pixels"), COUNT)
    preview: Json = {
        "oneOf": [
            _object(kind={"const": "text"}, text=TEXT, whole={"type": "boolean"}),
            _object(kind={"const": "image"}, type=TEXT),
            _object(kind={"const": "none"}),
        ]
    }
    why: Json = {"type": ["string", "null"], "description": "why any change can be proved, if so"}
    route = _object(codec=TEXT, suffix=TEXT, bytes=COUNT, safe_bytes=COUNT, evidence=why)
    revealed: dict[str, Json] = {
        "name": {"type": ["string", "null"]}, "bytes": COUNT, "preview": preview, "notes": notes,
    }  # fmt: skip
    facts = [
        {"type": "null"},
        _object(
            **size,
            gray={"type": "boolean"},
            jpeg={"type": "boolean"},
            too_large={
                "type": "boolean",
                "description": "as it is: it was halved to be looked at, and is to be for the rest",
            },
            format=TEXT,
            notes=notes,
        ),
        _object(),
        _object(
            **size,
            bytes=COUNT,
            bpp=NUMBER,
            **chosen,
            routes={"type": "array", "items": route},
            per_codec={"type": "object", "additionalProperties": COUNT},
            safe_bytes=COUNT,
            decoded={"type": "boolean"},
            evidence=why,
            channel={"type": ["string", "null"], "description": "that a container comes through, if asked for"},
            judgements={"type": "array", "items": _object(up_to=COUNT, **judged)},
            file_bytes={**COUNT, "description": "about how large the container's file will be"},
            notes=notes,
        ),
        _object(bytes=COUNT, needed=COUNT),
        _object(
            **size,
            bytes=COUNT,
            bpp=NUMBER,
            **chosen,
            changed_pixels=SHARE,
            raw_accuracy=SHARE,
            disturbance={"type": ["number", "null"], "minimum": 0},
            judgement=_object(**judged),
            encrypted={"type": "boolean"},
            same_gray=SHARE,
            amplified=COUNT,
            survival={"type": ["string", "null"], "description": "what it comes through on the way, if anything"},
            notes=notes,
        ),
        _object(**revealed),
        _object(**size, safe_bytes=COUNT, evidence=why, takes={"type": "boolean"}),
        _object(
            bytes=COUNT,
            photos={"type": "array", "items": _object(name=TEXT, bytes=COUNT, file_bytes=COUNT)},
            left_out={"type": "array", "items": TEXT},
            spare={**COUNT, "description": "how many of the photos that carry something may be lost"},
            needed={**COUNT, "description": "how many of the bytes in them give the payload back"},
            disturbance={"type": ["number", "null"], "minimum": 0, "description": "of all photos together"},
            judgement=_object(**judged),
            encrypted={"type": "boolean"},
            notes=notes,
        ),
        _object(**revealed, shares=COUNT, of=COUNT),
    ]
    error = _object(
        message={**TEXT, "description": "one line for people"},
        code={**COUNT, "description": "the exit code of stegcinn for the same"},
    )
    return {
        "Options": _object(version=TEXT, **labels, **names, **limits),
        "Upload": _object(id=ID, bytes=COUNT),
        "Error": _object(error=error),
        "Job": _object(
            id=ID,
            kind={"enum": list(kinds)},
            state={"enum": ["waiting", "running", "done", "failed", "cancelled"]},
            progress=SHARE,
            error={"oneOf": [{"type": "null"}, error]},
            facts={"oneOf": facts},
            files={"type": "array", "items": TEXT},
        ),
    }


def _order(name: str, summary: str, schema: Json) -> Json:
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    links = {name: {"operationId": name, "parameters": {"id": "$response.body#/id"}} for name in ("job", "drop_job")}
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "requestBody": body,
            "responses": {"202": {**_json("Job"), "links": links}, **_errors(400, 404, 413, 415, 503)},
        }
    }


def _upload_links() -> Json:
    bodies = {
        "look": ["photo"],
        "measure": ["photo"],
        "chart": ["photo"],
        "weigh": ["payload"],
        "hide": ["host", "payload"],
        "reveal": ["image"],
        "survey": ["photo"],
    }
    links: Json = {
        name: {"operationId": name, "requestBody": dict.fromkeys(fields, "$response.body#/id")}
        for name, fields in bodies.items()
    }
    links["drop_upload"] = {"operationId": "drop_upload", "parameters": {"id": "$response.body#/id"}}
    return links


def _object(required: list[str] | None = None, /, **properties: Json) -> Json:
    """An object with these properties and no others; all are required unless told otherwise."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        "additionalProperties": False,
    }


def _parameter(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": ID}


def _json(schema: str) -> Json:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"description": schema.lower(), "content": {"application/json": {"schema": reference}}}


def _errors(*statuses: int) -> Json:
    """Those answers, and the ones that the guard gives to any request."""
    return {str(status): _json("Error") for status in (401, 403, *statuses, 421)}
