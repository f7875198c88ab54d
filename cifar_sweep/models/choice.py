"""A setting that is one of several sections, told apart by their `name`; without a name it is the first."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, create_model
from pydantic_core import CoreSchema, core_schema

from cifar_sweep.section import Section


@dataclass(frozen=True)
class ByName:
    """Marks a union of sections, each with a field `name` of one literal. Use beside pydantic's Discriminator("name").

    pydantic's own discriminator wants the name to be given, and puts it into the place of every mistake
    (`model.resnet.widths`); with this a mistake is at `model.widths`.
    """

    union: Any

    @property
    def sections(self) -> dict[str, type[Section]]:
        """The sections by name."""
        return {section.model_fields["name"].default: section for section in typing.get_args(self.union)}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        sections = self.sections
        names: Any = Literal[tuple(sections)]
        named: type[BaseModel] = create_model("Named", name=(names, next(iter(sections))))

        def choose(value: Any, validate: core_schema.ValidatorFunctionWrapHandler) -> Any:
            if not isinstance(value, Mapping):
                return validate(value)
            return sections[named.model_validate(value).name].model_validate(value)  # type: ignore[attr-defined]

        return core_schema.no_info_wrap_validator_function(choose, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        found = handler(schema)
        found["anyOf"] = found.pop("oneOf")  # settings without a name may fit several
        return found
