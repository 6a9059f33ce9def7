"""Croissant 1.0 (MLCommons): what the dataset is, which files it has, which records they give, and who should beware.

The responsible-AI fields (Croissant RAI 1.0) are told from the release's figures, so they cannot say what the data do
not. ``mlcroissant`` validates the document and reads its records; every table is named with its SHA-256.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from workbench.release.formats.kind import Format, Fragments
from workbench.release.picture import Whole
from workbench.tables import IMAGES, INSTANCES

_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_KINDS = {"string": "sc:Text", "int64": "sc:Integer", "double": "sc:Float"}


def files(whole: Whole, _fragments: Fragments) -> Iterator[tuple[str, bytes]]:
    """Yield croissant.json."""
    text = json.dumps(croissant_document(whole), indent=1, ensure_ascii=False, allow_nan=False)
    yield "croissant.json", f"{text}\n".encode()


def croissant_document(whole: Whole) -> dict[str, Any]:
    """Return the document."""
    facts = whole.facts
    day = {"datePublished": facts["as_of"]} if facts["as_of"] else {}
    return {
        "@context": dict(_CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": facts["title"],
        "description": f"{facts['images']} images with {facts['instances']} labelled objects of "
        f"{len(facts['instances_by_class_and_origin'])} classes, for {facts['purpose']}. Labels describe what is seen.",
        "license": whole.licences,
        "url": "card.html",
        "citeAs": f"{facts['title']}. The signed record beside a release names its version.",
        **day,
        **responsible_ai(facts),
        "distribution": [*(_table(name, whole) for name in ("images", "instances")), _picture_files()],
        "recordSet": [
            _records("images", IMAGES, "One record an image.", key="image_id"),
            _records("instances", INSTANCES, "One record a labelled object.", key="instance_id"),
            _picture_records(),
        ],
    }


def responsible_ai(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the responsible-AI fields, from the figures of the release (Croissant RAI 1.0)."""
    origins = {
        origin: sum(counts[origin] for counts in facts["images_by_split_and_origin"].values())
        for origin in ("real", "replica", "rendered", "augmented")
    }
    gaps = facts["gaps"]
    limits = [
        "A code is no finding of law, and no statement that an object was privately made.",
        f"{len(gaps['classes_without_objects'])} of {len(facts['classes'])} classes have no object.",
        "Photographs come from few places; expect weaker results on other cameras, surfaces and regions.",
    ]
    if gaps["classes_only_synthetic"]:
        limits.append(f"Only rendered or augmented: {', '.join(gaps['classes_only_synthetic'])}.")
    biases = [f"{name}: {count} images" for name, count in facts["images_by_partner"].items()]
    biases += [f"country {name}: {count} images" for name, count in facts["images_by_country"].items()]
    hidden = f" Masked: {', '.join(facts['masked'])}." if facts["masked"] else ""
    return {
        "rai:dataCollection": "Photographs handed over by partners under usage terms, hashed at intake; renders of "
        "benign CAD shapes and augmented copies, for training only.",
        "rai:dataCollectionType": ["Direct measurement", "Software Collection"],
        "rai:dataUseCases": [facts["purpose"]],
        "rai:dataLimitations": limits,
        "rai:dataBiases": biases,
        "rai:personalSensitiveInformation": "Working copies carry no metadata of the camera." + hidden,
        "rai:dataAnnotationProtocol": "Two people label without seeing each other's answers; what they agree on is "
        "ground truth, an adjudicator decides the rest. How each object was decided is in its record.",
        "rai:dataAnnotationPlatform": ["Label Studio"],
        "rai:dataAnnotationAnalysis": [f"{name}: {value:.4g}" for name, value in facts["agreement"].items()],
        "rai:dataPreprocessingProtocol": ["Decoded, turned upright, converted to sRGB, scaled to at most a set size."],
        "rai:dataManipulationProtocol": "Images by origin: "
        + ", ".join(f"{name} {count}" for name, count in origins.items())
        + ".",
        "rai:dataReleaseMaintenancePlan": "A release never changes. A withdrawal makes a superseding release; "
        "`workbench release verify` says so of older copies.",
    }


def _table(name: str, whole: Whole) -> dict[str, Any]:
    path = f"{name}.parquet"
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path,
        "contentUrl": path,
        "encodingFormat": "application/x-parquet",
        "sha256": whole.digest_of(path),
    }


def _picture_files() -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": "picture-files",
        "name": "picture-files",
        "description": "The pictures, by split, named by image id.",
        "encodingFormat": ["image/jpeg", "image/png"],
        "includes": ["images/*/*.jpg", "images/*/*.png"],
    }


def _records(name: str, schema: Any, about: str, *, key: str) -> dict[str, Any]:
    columns = [field for field in schema if str(field.type) in _KINDS]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": about,
        "key": {"@id": f"{name}/{key}"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{field.name}",
                "name": field.name,
                "description": field.metadata[b"about"].decode(),
                "dataType": _KINDS[str(field.type)],
                **({"references": {"field": {"@id": "images/image_id"}}} if _refers(name, field.name) else {}),
                "source": {"fileObject": {"@id": f"{name}.parquet"}, "extract": {"column": field.name}},
            }
            for field in columns
        ],
    }


def _refers(record_set: str, column: str) -> bool:
    return (record_set, column) == ("instances", "image_id")


def _picture_records() -> dict[str, Any]:
    def field(name: str, kind: str, about: str, source: dict[str, Any]) -> dict[str, Any]:
        return {
            "@type": "cr:Field",
            "@id": f"pictures/{name}",
            "name": name,
            "description": about,
            "dataType": kind,
            "source": {"fileSet": {"@id": "picture-files"}, **source},
        }

    return {
        "@type": "cr:RecordSet",
        "@id": "pictures",
        "name": "pictures",
        "description": "One record a picture file.",
        "field": [
            field("content", "sc:ImageObject", "the picture", {"extract": {"fileProperty": "content"}}),
            field(
                "image_id",
                "sc:Text",
                "the id of the image it shows, as in images",
                {"extract": {"fileProperty": "filename"}, "transform": {"regex": r"([0-9a-f]{64})"}},
            ),
        ],
    }


FORMAT = Format(
    name="croissant",
    fragment=None,
    files=files,
    reader="mlcroissant: the tables and pictures, with responsible-AI fields",
    where=("croissant.json",),
)
