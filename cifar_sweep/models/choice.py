"""A setting that is one of several sections, told apart by their `name`; without a name it is the first."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True)
class ByName:
    """Marks a union of sections, each with a field `name` of one literal; stands after Discriminator("name").

    pydantic's discriminator alone wants the name to be given. As there, a mistake's place has the name in it.
    """

    union: Any

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        first = typing.get_args(self.union)[0].model_fields["name"].default

        def name_it(value: Any) -> Any:
            return {"name": first, **value} if isinstance(value, Mapping) else value

        return core_schema.no_info_before_validator_function(name_it, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        found = handler(schema)
        found["anyOf"] = found.pop("oneOf")  # settings without a name may fit several
        return found
