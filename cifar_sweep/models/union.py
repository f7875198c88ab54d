"""A setting that is one of several sections, chosen by their `name`; without a name it is the first."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True)
class ByName:
    """Annotation of a union of sections that makes their `name` optional. Put it after Discriminator("name").

    pydantic's discriminator alone requires the name. The location of an error contains the name, as there.

    Attributes:
        union: The union of the sections; each has a field `name` of one literal. The first one is the default.

    Example:
        ModelRecipe = Annotated[Cnn | ResNet, Discriminator("name"), ByName(Cnn | ResNet)]
    """

    union: Any

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        first = typing.get_args(self.union)[0].model_fields["name"].default

        def add_default_name(value: Any) -> Any:
            return {"name": first, **value} if isinstance(value, Mapping) else value

        return core_schema.no_info_before_validator_function(add_default_name, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        json_schema = handler(schema)
        # Settings without a name may fit several sections, which oneOf forbids.
        json_schema["anyOf"] = json_schema.pop("oneOf")
        return json_schema
