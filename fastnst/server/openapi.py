"""The API's description, made from the table of parameters."""

from __future__ import annotations

from typing import Any

from fastnst.server.parameters import IMAGE, PARAMETERS, Parameter
from fastnst.server.training.description import training_paths, training_schemas
from fastnst.version import __version__

_ERRORS = {
    400: "The request is malformed.",
    401: "The token is missing or wrong.",
    403: "The request's Host or Origin is not allowed.",
    408: "The image came too slowly.",
    413: "The image has too many bytes or pixels.",
    422: "The image cannot be read, there is no such style, or a value is out of range.",
    503: "Too many paintings wait: try again after Retry-After seconds.",
    504: "Painting takes too long.",
}


def openapi_document(media_types: list[str], *, has_token: bool, has_training: bool) -> dict[str, Any]:
    """Return the document, for OpenAPI 3.1.

    Args:
        media_types: Of the results.
        has_token: Whether requests need a token.
        has_training: Whether styles may be trained.
    """
    in_query = [_in_query(parameter) for parameter in PARAMETERS if parameter.kind != "file"]
    image = {"type": "string", "format": "binary", "description": "The photo."}
    form = {
        "type": "object",
        "properties": {IMAGE: image, **{each.name: _schema(each) for each in PARAMETERS}},
        "required": [IMAGE],
    }
    errors = {
        str(status): {
            "description": told,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
        for status, told in _ERRORS.items()
    }
    painted = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in media_types}
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "fastnst",
            "version": __version__,
            "description": "Paints photos in the style of a painting.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "."}],
        "paths": {
            "/api/v1/stylize": {
                "post": {
                    "operationId": "stylize",
                    "summary": "Paint a photo",
                    "description": "The photo is the body, or the file `image` of a form. The answer is the "
                    "file that `fastnst stylize` writes.",
                    "parameters": in_query,
                    "requestBody": {
                        "required": True,
                        "content": {
                            "image/*": {"schema": {"type": "string", "format": "binary"}},
                            "multipart/form-data": {"schema": form},
                        },
                    },
                    "responses": {"200": {"description": "The painting.", "content": painted}, **errors},
                }
            },
            "/api/v1/styles": {
                "get": {
                    "operationId": "styles",
                    "summary": "List the styles",
                    "responses": {
                        "200": {
                            "description": "All styles by which photos can be painted.",
                            "content": {
                                "application/json": {
                                    "schema": {
                                        "type": "array",
                                        "items": {"$ref": "#/components/schemas/Style"},
                                    }
                                }
                            },
                        }
                    },
                }
            },
            "/healthz": {
                "get": {
                    "operationId": "health",
                    "summary": "Tell that the server runs",
                    "security": [],
                    "responses": {"200": {"description": "It runs."}, "503": errors["503"]},
                }
            },
            "/metrics": {
                "get": {
                    "operationId": "metrics",
                    "summary": "Counts for Prometheus",
                    "responses": {"200": {"description": "The counts.", "content": {"text/plain": {}}}},
                }
            },
        },
        "components": {
            "schemas": {
                "Error": {
                    "type": "object",
                    "properties": {"error": {"type": "string"}},
                    "required": ["error"],
                },
                "Style": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string"},
                        "title": {"type": "string"},
                        "artist": {"type": "string"},
                        "bytes": {"type": "integer"},
                        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
                    },
                    "required": ["name", "title", "artist", "bytes", "metadata"],
                },
            }
        },
    }
    if has_training:
        document["paths"] |= training_paths()
        document["components"]["schemas"] |= training_schemas()
    if has_token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _in_query(parameter: Parameter) -> dict[str, Any]:
    schema = _schema(parameter)
    described = {"name": parameter.name, "in": "query", "description": schema.pop("description")}
    if parameter.is_list:
        described |= {"style": "form", "explode": True}
    return {**described, "schema": schema}


def _schema(parameter: Parameter) -> dict[str, Any]:
    kinds = {"text": "string", "file": "string"}
    schema: dict[str, Any] = {"type": kinds.get(parameter.kind, parameter.kind)}
    if parameter.kind == "file":
        schema["format"] = "binary"
    bounds = {"minimum": parameter.least, "maximum": parameter.most, "default": parameter.default}
    schema |= {name: value for name, value in bounds.items() if value is not None}
    if parameter.choices:
        schema["enum"] = list(parameter.choices)
    if parameter.is_list:
        schema = {"type": "array", "items": schema}
    return {"description": parameter.help, **schema}
