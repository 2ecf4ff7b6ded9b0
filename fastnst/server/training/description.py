"""What OpenAPI says of training."""

from __future__ import annotations

from typing import Any

from fastnst.server.training.recipes import QUALITIES
from fastnst.server.training.record import FAILED, FINISHED, MOST_NAME, RUNNING, STOPPED

_REFUSED = {
    400: "A parameter is unknown or missing, or there is no painting.",
    404: "There is no such training, or no picture of it yet.",
    409: "A style is being trained already, or the name is taken, or the training is in another state.",
    413: "The painting has too many bytes or pixels.",
    422: "The painting cannot be read, or the name is no plain name.",
    501: "The training environment is not installed; the line says what is missing.",
}


def training_paths() -> dict[str, Any]:
    """Return the paths of training, for OpenAPI's document."""
    training = {"application/json": {"schema": {"$ref": "#/components/schemas/Training"}}}
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    binary = {"type": "string", "format": "binary"}
    parameters = {
        "name": {
            "type": "string",
            "maxLength": MOST_NAME,
            "description": "The new style's name: letters, digits, _ and -.",
        },
        "quality": {
            "type": "string",
            "enum": list(QUALITIES),
            "default": QUALITIES[0],
            "description": "How thoroughly it is trained; good takes three times as long or more.",
        },
    }

    def call(operation: str, summary: str, answer: dict[str, Any], *refused: int) -> dict[str, Any]:
        return {
            "operationId": operation,
            "summary": summary,
            "responses": {**answer, **{str(status): _error(status) for status in refused}},
        }

    def told(status: int, description: str) -> dict[str, Any]:
        return {str(status): {"description": description, "content": training}}

    def picture(media_type: str) -> dict[str, Any]:
        return {"200": {"description": "The picture.", "content": {media_type: {"schema": binary}}}}

    return {
        "/api/v1/trainings": {
            "get": call(
                "trainings",
                "List the trainings",
                {
                    "200": {
                        "description": "What is missing, the qualities, and all trainings, the newest first.",
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Trainings"}}
                        },
                    }
                },
            ),
            "post": {
                **call("train", "Train a new style", told(201, "It has begun."), 400, 409, 413, 422, 501),
                "description": "The painting is the body, or the file `painting` of a form. One style is "
                "trained at a time.",
                "parameters": [
                    {"name": each, "in": "query", "required": each == "name", "schema": schema}
                    for each, schema in parameters.items()
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "image/*": {"schema": binary},
                        "multipart/form-data": {
                            "schema": {
                                "type": "object",
                                "properties": {"painting": binary, **parameters},
                                "required": ["painting", "name"],
                            }
                        },
                    },
                },
            },
        },
        "/api/v1/trainings/{name}": {
            "parameters": [name],
            "get": call(
                "training", "Tell how far a training is", told(200, "The training, with its curve."), 404
            ),
            "delete": call(
                "deleteTraining",
                "Delete a training that does not run; its style stays",
                {"204": {"description": "It is gone."}},
                404,
                409,
            ),
        },
        "/api/v1/trainings/{name}/preview": {
            "parameters": [name],
            "get": call("preview", "Get the latest picture", picture("image/png"), 404),
        },
        "/api/v1/trainings/{name}/painting": {
            "parameters": [name],
            "get": call("painting", "Get the painting, small", picture("image/jpeg"), 404),
        },
        "/api/v1/trainings/{name}/cancel": {
            "parameters": [name],
            "post": call("cancel", "Save and stop a training", told(200, "It stops."), 404, 409),
        },
        "/api/v1/trainings/{name}/resume": {
            "parameters": [name],
            "post": call(
                "resume", "Go on with a stopped or failed one", told(200, "It goes on."), 404, 409, 501
            ),
        },
    }


def training_schemas() -> dict[str, Any]:
    """Return the schemas that `training_paths` refers to."""
    text, number, integer = ({"type": [kind, "null"]} for kind in ("string", "number", "integer"))
    losses = {"type": "object", "additionalProperties": number}
    return {
        "Training": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "quality": {"type": "string", "enum": list(QUALITIES)},
                "created": {"type": "number"},
                "state": {"type": "string", "enum": [RUNNING, STOPPED, FAILED, FINISHED]},
                "phase": text,
                "text": text,
                "step": {"type": "integer"},
                "steps": {"type": "integer"},
                "fraction": {"type": "number"},
                "image_size": integer,
                "images_per_second": number,
                "seconds_left": number,
                "seconds": number,
                "losses": losses,
                "preview": {
                    "type": ["object", "null"],
                    "properties": {"step": {"type": "integer"}, "photos": {"type": "integer"}},
                },
                "curve": {"type": "array", "items": losses},
            },
            "required": ["name", "quality", "state"],
        },
        "Trainings": {
            "type": "object",
            "properties": {
                "missing": text,
                "qualities": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": {"type": "string"},
                            "minutes": integer,
                            "is_measured": {"type": "boolean"},
                        },
                    },
                },
                "trainings": {"type": "array", "items": {"$ref": "#/components/schemas/Training"}},
            },
        },
    }


def _error(status: int) -> dict[str, Any]:
    return {
        "description": _REFUSED[status],
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
