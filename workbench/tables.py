"""The tables that stages hand over: documented schemas, and reading and writing that keep to them.

One schema serves all images and one all instances, so that tables of different stages stack. Absence is null.
Parquet is written with fixed settings, so equal tables give equal bytes. All schemas stand on this one page, longer than
others, because it is the page to look a column up on.
"""

from __future__ import annotations

import filecmp
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.domain.annotation import DecidedBy, Instance, Keypoint, Shape
from workbench.domain.findings import refused
from workbench.domain.geometry import Box
from workbench.domain.lineage import canonical_json


def _field(name: str, kind: pa.DataType, about: str, *, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"about": about})


_TEXT, _INT, _REAL = pa.string(), pa.int64(), pa.float64()
_EDGES = ("x_min", "y_min", "x_max", "y_max")

#: A row a file that was delivered (data/00_deliveries/<contribution>/files.parquet).
FILES = pa.schema(
    [
        _field("image_id", _TEXT, "SHA-256 of the bytes delivered, hexadecimal"),
        _field("contribution_id", _TEXT, "the hand-over it came in"),
        _field("partner_id", _TEXT, "who gave it"),
        _field("licence", _TEXT, "the licence it was given under"),
        _field("size_bytes", _INT, "size of the file delivered"),
        _field("suffix", _TEXT, "the file name's ending in lower case, as .jpg; empty if none"),
        _field("name_digest", _TEXT, "salted hash of the file's name; the name itself stays sealed"),
        _field("seizure_id", _TEXT, "pseudonymous seizure, from the partner's table", nullable=True),
        _field("item_id", _TEXT, "physical object, from the partner's table", nullable=True),
        _field("view", _TEXT, "what of the item it shows, from the partner's table", nullable=True),
    ]
)

#: A row a seizure that a partner told of (data/00_deliveries/<contribution>/seizures.parquet).
SEIZURES = pa.schema(
    [
        _field("seizure_id", _TEXT, "pseudonymous seizure"),
        _field("contribution_id", _TEXT, "the hand-over that told of it"),
        _field("event_type", _TEXT, "seized, found, surrendered, reference_collection, staged or unknown"),
        _field("date", _TEXT, "ISO 8601 date, as exact as known: 2026, 2026-04 or 2026-04-30", nullable=True),
        _field("country", _TEXT, "ISO 3166-1 alpha-2 code of where it was", nullable=True),
        _field("region", _TEXT, "coarse region, as the partner words it", nullable=True),
        _field("authority_type", _TEXT, "kind of competent authority, as the partner words it", nullable=True),
        _field("trace_status", _TEXT, "traced, pending, not_attempted or established_otherwise", nullable=True),
        _field("item_count", _INT, "how many objects were seized, photographed or not", nullable=True),
    ]
)

#: A row a physical object that a partner told of (data/00_deliveries/<contribution>/items.parquet).
ITEMS = pa.schema(
    [
        _field("item_id", _TEXT, "pseudonymous object, unique in its seizure"),
        _field("seizure_id", _TEXT, "the seizure it comes from"),
        _field("contribution_id", _TEXT, "the hand-over that told of it"),
        _field("item_class", _TEXT, "taxonomy code", nullable=True),
        _field("make", _TEXT, "maker as the partner words it", nullable=True),
        _field("model", _TEXT, "model as the partner words it", nullable=True),
        _field("calibre_id", _TEXT, "id of the reference table's calibre", nullable=True),
        _field("serial_present", _TEXT, "yes, no, removed or unknown; the number itself is never kept", nullable=True),
        _field("country_of_manufacture", _TEXT, "ISO 3166-1 alpha-2 code", nullable=True),
        _field("year", _INT, "year of manufacture", nullable=True),
        _field("lot_number", _TEXT, "lot as marked", nullable=True),
        _field("replica_of", _TEXT, "the design that a stand-in was made from, as in the catalogue", nullable=True),
    ]
)

#: A row an image, in every stage from intake to release.
IMAGES = pa.schema(
    [
        _field(
            "image_id",
            _TEXT,
            "SHA-256 of the bytes delivered, of the bytes made if derived, of film and time if a frame",
        ),
        _field("origin", _TEXT, "real, replica, rendered or augmented"),
        _field("path", _TEXT, "the image file, relative to the data folder, with forward slashes"),
        _field("file_sha256", _TEXT, "SHA-256 of the image file at path"),
        _field("width_px", _INT, "width of the image file"),
        _field("height_px", _INT, "height of the image file"),
        _field("licence", _TEXT, "the licence it may be used under"),
        _field("work_key", _TEXT, "key of the piece of work that made the file"),
        _field(
            "contribution_id",
            _TEXT,
            "the hand-over it, or the photograph behind it, came in; null if all of it is rendered",
            nullable=True,
        ),
        _field("partner_id", _TEXT, "who gave it; null if all of it is rendered", nullable=True),
        _field("seizure_id", _TEXT, "pseudonymous seizure", nullable=True),
        _field("item_id", _TEXT, "physical object", nullable=True),
        _field("orientation", _INT, "EXIF orientation applied, 1 to 8; null if rendered or augmented", nullable=True),
        _field("original_width_px", _INT, "width of the original's stored grid", nullable=True),
        _field("original_height_px", _INT, "height of the original's stored grid", nullable=True),
        _field("scale", _REAL, "working-copy pixels per original pixel, in (0, 1]", nullable=True),
        _field("source_image_id", _TEXT, "the film delivered that it is a frame of; null if it is none", nullable=True),
        _field("frame_time_s", _REAL, "when the film shows it, seconds from its start", nullable=True),
        _field(
            "parent_image_id",
            _TEXT,
            "what an augmented copy, a photograph with covered regions, or a render on a photograph was made from",
            nullable=True,
        ),
        _field("seed", _INT, "seed of a rendered or augmented image", nullable=True),
        _field("group_id", _TEXT, "what must not straddle splits; null before curation", nullable=True),
        _field("split", _TEXT, "train, val or test; null before curation or if excluded", nullable=True),
        _field("excluded", _TEXT, "why the image is left out; null if it is in", nullable=True),
    ]
)

#: A row a delivered file that was not admitted (data/01_intake/<contribution>/quarantine.parquet).
QUARANTINE = pa.schema(
    [
        _field("image_id", _TEXT, "SHA-256 of the bytes delivered"),
        _field("contribution_id", _TEXT, "the hand-over it came in"),
        _field("size_bytes", _INT, "size of the file delivered"),
        _field("code", _TEXT, "finding code that says why"),
        _field("detail", _TEXT, "one sentence for the partner"),
        _field("work_key", _TEXT, "key of the inspection that decided"),
    ]
)

#: A row something worth telling of an admitted file (data/01_intake/<contribution>/remarks.parquet).
REMARKS = pa.schema(
    [
        _field("image_id", _TEXT, "SHA-256 of the bytes delivered"),
        _field("contribution_id", _TEXT, "the hand-over it came in"),
        _field("code", _TEXT, "finding code"),
        _field("detail", _TEXT, "one sentence for the partner"),
        _field("work_key", _TEXT, "key of the inspection that noticed it"),
    ]
)

_KEYPOINT = pa.struct(
    [
        pa.field("name", _TEXT, nullable=False),
        pa.field("x_px", _REAL, nullable=False),
        pa.field("y_px", _REAL, nullable=False),
    ]
)

#: A row an image in which faces were looked for (data/01_redaction/searched.parquet).
SEARCHED = pa.schema(
    [
        _field("image_id", _TEXT, "the image"),
        _field("file_sha256", _TEXT, "the image file that was searched"),
        _field("work_key", _TEXT, "key of the search"),
        pa.field(
            "faces",
            pa.list_(pa.struct([pa.field(name, _REAL, nullable=False) for name in (*_EDGES, "score")])),
            nullable=False,
            metadata={"about": "what was found: edges in pixels, score in (0, 1]; best first"},
        ),
    ]
)

#: A row a decision about a region to be covered (data/01_decisions/redaction.parquet); rows are only ever added, and the
#: last row of a region counts.
REDACTION_DECISIONS = pa.schema(
    [
        _field("region_id", _TEXT, "stable id of the region"),
        _field("image_id", _TEXT, "the photograph as delivered, whether it has covered regions by now or not"),
        _field("category", _TEXT, "taxonomy code of what is to be covered, as context.face"),
        *(_field(name, _REAL, "edge in pixels of the working copy") for name in _EDGES),
        _field("source", _TEXT, "what proposed it: a detector, a labelling project, or a person"),
        _field("score", _REAL, "the detector's score, in (0, 1]; null if a person drew it", nullable=True),
        _field("state", _TEXT, "proposed, accepted or rejected"),
        _field("decided_by", _TEXT, "who decided: a person, or the rule of params.yaml"),
        _field("decided_at", _TEXT, "ISO 8601, UTC"),
        _field("reason", _TEXT, "why, in the decider's words", nullable=True),
    ]
)

#: A row a photograph with covered regions: what stands for it, and what it was made from
#: (data/01_intake/<contribution>/redactions.parquet).
REDACTIONS = pa.schema(
    [
        _field("image_id", _TEXT, "the image that stands for the photograph"),
        _field("parent_image_id", _TEXT, "the photograph as delivered; seen by nobody since"),
        _field("activity", _TEXT, "name and version of the code that covered the regions"),
        _field("parameter_digest", _TEXT, "SHA-256 of the regions' edges"),
        pa.field(
            "regions",
            pa.list_(pa.struct([pa.field(name, _REAL, nullable=False) for name in _EDGES])),
            nullable=False,
            metadata={"about": "what is covered, edges in pixels, as decided; whole blocks of 8 pixels are filled"},
        ),
    ]
)

#: A row an answer to a question about a whole photograph (data/02_labelling/<project>/tags.parquet).
TAGS = pa.schema(
    [
        _field("annotation_id", _TEXT, "the answer it is part of"),
        _field("image_id", _TEXT, "the photograph"),
        _field("annotator", _TEXT, "the annotator's pseudonym"),
        _field("question", _TEXT, "code of the facet asked of the photograph"),
        _field("value", _TEXT, "code of the value given; a row a value where several may be given"),
    ]
)

#: A row an object: answers, ground truth, renders and augmented copies alike.
INSTANCES = pa.schema(
    [
        _field("instance_id", _TEXT, "stable id of the object in its table"),
        _field("image_id", _TEXT, "the image it is seen in"),
        _field("category", _TEXT, "taxonomy code"),
        _field("shape", _TEXT, "box, polygon, mask or keypoint: how it was drawn"),
        _field("x_min", _REAL, "left edge, pixels; null for a lone keypoint", nullable=True),
        _field("y_min", _REAL, "top edge, pixels", nullable=True),
        _field("x_max", _REAL, "right edge, pixels", nullable=True),
        _field("y_max", _REAL, "bottom edge, pixels", nullable=True),
        _field("rings", pa.list_(pa.list_(_REAL)), "polygon rings, each x0, y0, x1, y1, ... in pixels", nullable=True),
        _field("mask_rle", _TEXT, "COCO compressed RLE counts of an image-sized mask", nullable=True),
        _field("keypoints", pa.list_(_KEYPOINT), "named points, pixels", nullable=True),
        _field("facets", _TEXT, "canonical JSON object: facet code to value code"),
        _field("transcription", _TEXT, "text as read, unreadable characters as ?", nullable=True),
        _field("confidence", _TEXT, "certain, probable, possible or cannot_tell", nullable=True),
        _field("annotation_id", _TEXT, "the answer it comes from", nullable=True),
        _field("annotator", _TEXT, "pseudonym of who drew it", nullable=True),
        _field("decided_by", _TEXT, "agreement, single, adjudication, imported, rendered, augmented", nullable=True),
        _field("agreement_iou", _REAL, "mean IoU with the other answers, in [0, 1]", nullable=True),
        _field("parent_instance_id", _TEXT, "the instance an augmented one was made from", nullable=True),
    ]
)

#: A row an annotator's answer (data/02_labelling/<project>/annotations.parquet).
ANNOTATIONS = pa.schema(
    [
        _field("annotation_id", _TEXT, "stable id of the answer"),
        _field("image_id", _TEXT, "the photograph answered about"),
        _field("project", _TEXT, "labelling task type, a folder of label_configs"),
        _field("annotator", _TEXT, "pseudonym"),
        _field("pass_", _TEXT, "blind1, blind2, review, adjudication, imported or gold (a hidden check)"),
        _field("submitted_at", _TEXT, "ISO 8601, UTC", nullable=True),
        _field("lead_time_s", _REAL, "seconds spent", nullable=True),
        _field("source", _TEXT, "label-studio, or the format imported from"),
        _field("taxonomy_version", _TEXT, "version of the codes used"),
    ]
)

#: A row a photograph that a model looked at, with or without finding anything
#: (data/02_labelling/predicted-<model>/predicted.parquet).
PREDICTED = pa.schema(
    [
        _field("image_id", _TEXT, "the photograph"),
        _field("file_sha256", _TEXT, "the image file that was looked at"),
        _field("work_key", _TEXT, "key of the look: model, parameters, class map and picture"),
        _field("model_version", _TEXT, "name of the model and the first digits of the SHA-256 of its file"),
        pa.field(
            "objects",
            pa.list_(
                pa.struct([pa.field("instance_id", _TEXT, nullable=False), pa.field("score", _REAL, nullable=True)])
            ),
            nullable=False,
            metadata={"about": "its rows in predictions.parquet, with the model's score in [0, 1]"},
        ),
    ]
)

#: A row an object that a labeller was shown a suggestion of, or added to it (data/02_labelling/<project>/changes.parquet).
CHANGES = pa.schema(
    [
        _field("annotation_id", _TEXT, "the answer"),
        _field("image_id", _TEXT, "the photograph"),
        _field("annotator", _TEXT, "the annotator's pseudonym"),
        _field("model_version", _TEXT, "whose suggestions were shown"),
        _field("change", _TEXT, "untouched, moved, reclassed, retyped, deleted or added"),
        _field("suggestion_id", _TEXT, "the object suggested; null if added", nullable=True),
        _field("instance_id", _TEXT, "the object in the answer; null if deleted", nullable=True),
        _field("category_before", _TEXT, "taxonomy code suggested", nullable=True),
        _field("category_after", _TEXT, "taxonomy code answered", nullable=True),
        _field("iou", _REAL, "overlap of the shape suggested and the shape answered, in [0, 1]", nullable=True),
        _field("score", _REAL, "the model's score of the suggestion, in [0, 1]", nullable=True),
    ]
)

#: A row a photograph: how much is to be learnt from labelling it (data/02_labelling/ranking.parquet), most first.
RANKING = pa.schema(
    [
        _field("image_id", _TEXT, "the photograph"),
        _field("score", _REAL, "what the order goes by, in [0, 1]"),
        _field("uncertainty", _REAL, "greatest entropy of a model's score, in [0, 1] bit", nullable=True),
        _field(
            "disagreement",
            _REAL,
            "1 - mean F1 at half overlap between models, or models and answers, in [0, 1]",
            nullable=True,
        ),
    ]
)

#: A row a version of an answer (data/02_labelling/<project>/history.parquet): rows are only ever added.
ANSWER_HISTORY = pa.schema(
    [
        _field("annotation_id", _TEXT, "the answer, as in annotations.parquet"),
        _field("version", _INT, "1 for the answer as first seen, then one more for each change"),
        _field("event", _TEXT, "given, edited, skipped or deleted"),
        _field("image_id", _TEXT, "the photograph"),
        _field("project", _TEXT, "labelling task type, a folder of label_configs"),
        _field("task_id", _INT, "the task's number in Label Studio"),
        _field("place", _TEXT, "the project in Label Studio where it was given"),
        _field("annotator", _TEXT, "pseudonym of whose answer it is said to be"),
        _field(
            "changed_by", _TEXT, "pseudonym of who wrote this version; null if the server does not say", nullable=True
        ),
        _field("given_at", _TEXT, "when the answer was first given, ISO 8601, UTC"),
        _field("changed_at", _TEXT, "when this version was written, or found deleted, ISO 8601, UTC"),
        _field("lead_time_s", _REAL, "seconds spent", nullable=True),
        _field("guide_version", _TEXT, "version of the guide shown then", nullable=True),
        _field("taxonomy_version", _TEXT, "version of the codes offered then", nullable=True),
        _field(
            "result",
            _TEXT,
            "what was answered, canonical JSON as Label Studio keeps it; null if deleted",
            nullable=True,
        ),
        _field("digest", _TEXT, "SHA-256 of result, annotator and event: what makes two versions differ"),
    ]
)

#: A row a disagreement between annotators (data/03_adjudication/disagreements.parquet).
DISAGREEMENTS = pa.schema(
    [
        _field("image_id", _TEXT, "the photograph"),
        _field(
            "kind",
            _TEXT,
            "reject, category, unmatched, tag, geometry, transcription, facet, single, dissent or relabel",
        ),
        _field("instance_ids", pa.list_(_TEXT), "the instances concerned"),
        _field("detail", _TEXT, "one sentence"),
    ]
)

#: Which answer a letter stood for: beside each disagreement put into the queue, and beside each decision.
_GIVEN = "canonical JSON list: letter, annotator, annotation_id, instance_id, category, values and content hash of each answer"

#: A row a disagreement put before adjudicators (data/02_labelling/adjudication/queue.parquet); rows are only ever added.
QUEUE = pa.schema(
    [
        _field("dispute_id", _TEXT, "stable id of the disagreement, while the answers are edited"),
        _field("answers_digest", _TEXT, "hash of all that was answered; another one when an answer changes"),
        _field("image_id", _TEXT, "the photograph"),
        _field("project", _TEXT, "the labelling project the answers were given in"),
        _field("kinds", pa.list_(_TEXT), "reject, category, unmatched, tag, geometry, transcription, facet"),
        _field(
            "question", _TEXT, "the question about the whole photograph; null if it is about an object", nullable=True
        ),
        _field("detail", _TEXT, "what the disagreement is"),
        _field("least_iou", _REAL, "least overlap of two answers' shapes, in [0, 1]", nullable=True),
        _field("given", _TEXT, _GIVEN),
    ]
)

#: A row a decision of an adjudicator (data/02_labelling/adjudication/decisions.parquet); rows are only ever added, and the
#: latest about a disagreement counts while its answers stay as they were.
DECISIONS = pa.schema(
    [
        _field("decision_id", _TEXT, "stable id of the decision"),
        _field("dispute_id", _TEXT, "the disagreement"),
        _field("answers_digest", _TEXT, "hash of the answers that were judged"),
        _field("image_id", _TEXT, "the photograph"),
        _field("project", _TEXT, "the labelling project the answers were given in"),
        _field(
            "question", _TEXT, "the question about the whole photograph; null if it is about an object", nullable=True
        ),
        _field("verdict", _TEXT, "a_right, b_right, c_right, corrected, no_such_object or cannot_tell"),
        _field("reason", _TEXT, "why, in the adjudicator's words"),
        _field("reference", _TEXT, "what it rests on, as guideline:parts#3 or calibre:9x19mm", nullable=True),
        _field("adjudicator", _TEXT, "pseudonym"),
        _field("decided_at", _TEXT, "ISO 8601, UTC"),
        _field("given", _TEXT, _GIVEN),
        _field("values", pa.list_(_TEXT), "values the adjudicator gave to the question, when corrected"),
        _field("taxonomy_version", _TEXT, "version of the codes used"),
    ]
)

#: A row a ground-truth object: how it came to be (data/03_adjudication/accounts.parquet).
ACCOUNTS = pa.schema(
    [
        _field("instance_id", _TEXT, "the ground-truth object"),
        _field("image_id", _TEXT, "the photograph"),
        _field("project", _TEXT, "the labelling project"),
        _field("decided_by", _TEXT, "agreement, single, adjudication or imported"),
        _field("rule", _TEXT, "the rule that was applied, with its numbers"),
        _field("answers", _TEXT, "canonical JSON list of the answers it follows from: who, when, versions, the mark"),
        _field("mean_iou", _REAL, "mean overlap of the answers' shapes, in [0, 1]", nullable=True),
        _field("least_iou", _REAL, "least overlap of the answers' shapes, in [0, 1]", nullable=True),
        _field("open", pa.list_(_TEXT), "kinds of disagreement about it that nobody decided yet"),
        _field("decision_id", _TEXT, "the adjudicator's decision", nullable=True),
        _field("adjudicator", _TEXT, "pseudonym of who decided", nullable=True),
        _field("decided_at", _TEXT, "when, ISO 8601, UTC", nullable=True),
        _field("verdict", _TEXT, "what was decided", nullable=True),
        _field("reason", _TEXT, "why", nullable=True),
        _field("reference", _TEXT, "what it rests on", nullable=True),
    ]
)

#: A row an answer that did not become ground truth (data/03_adjudication/dissent.parquet).
DISSENT = pa.schema(
    [
        _field("image_id", _TEXT, "the photograph"),
        _field("project", _TEXT, "the labelling project"),
        _field("kind", _TEXT, "what it was about: reject, category, unmatched, tag, geometry, transcription or facet"),
        _field("annotator", _TEXT, "pseudonym of who said it"),
        _field("annotation_id", _TEXT, "the answer it is part of"),
        _field("instance_id", _TEXT, "the mark; null where something was not marked", nullable=True),
        _field("said", _TEXT, "what was said, as one sentence"),
        _field("truth_instance_id", _TEXT, "the ground-truth object instead; null if there is none", nullable=True),
        _field("overruled_by", _TEXT, "adjudication or majority"),
        _field("decision_id", _TEXT, "the adjudicator's decision", nullable=True),
        _field("reason", _TEXT, "why, in the adjudicator's words", nullable=True),
    ]
)

#: A row an answer about a whole photograph that counts (data/03_adjudication/tags.parquet).
PHOTOGRAPH_TAGS = pa.schema(
    [
        _field("image_id", _TEXT, "the photograph"),
        _field("project", _TEXT, "the labelling project"),
        _field("question", _TEXT, "code of the facet asked of the photograph"),
        _field("value", _TEXT, "code of the value; a row a value where several may be given"),
        _field("annotators", _INT, "how many people answered the question"),
        _field("decided_by", _TEXT, "agreement, majority, single or adjudication"),
        _field("decision_id", _TEXT, "the adjudicator's decision", nullable=True),
    ]
)

#: A row an element of a cartridge's marked base (data/03_adjudication/headstamps.parquet).
HEADSTAMPS = pa.schema(
    [
        _field("image_id", _TEXT, "the photograph"),
        _field("headstamp_id", _TEXT, "the ground-truth instance of the marked base"),
        _field("instance_id", _TEXT, "the ground-truth instance of the element"),
        _field("ordinal", _INT, "place in clockwise order from twelve o'clock, 1 first"),
        _field("clock_deg", _INT, "degrees clockwise from twelve o'clock, 0 to 359"),
        _field("orientation_basis", _TEXT, "what stands at twelve: nato_cross, longest_text or arbitrary"),
        _field("kind", _TEXT, "manufacturer, year, calibre, nato_cross, lot, symbol, other", nullable=True),
        _field("text_raw", _TEXT, "text as read, unreadable characters as ?", nullable=True),
        _field("text_normalised", _TEXT, "the same in capitals, NFKC, single spaces", nullable=True),
        _field("up_direction", _TEXT, "outward, inward, clockwise or anticlockwise", nullable=True),
        _field("legibility", _TEXT, "clear, partly or illegible", nullable=True),
    ]
)

#: A row a photograph that was answered about (data/03_adjudication/labelled.parquet).
LABELLED = pa.schema(
    [
        _field("image_id", _TEXT, "the photograph"),
        _field("annotators", _INT, "how many people answered"),
        _field("status", _TEXT, "agreed, disagreed, single, imported, adjudicated or rejected"),
    ]
)

#: A row a pair of exact or near-duplicate images (data/04_curation/duplicates.parquet).
DUPLICATES = pa.schema(
    [
        _field("image_id", _TEXT, "one image"),
        _field("other_image_id", _TEXT, "the other, greater in order"),
        _field(
            "kind", _TEXT, "exact, near (by perceptual hash) or overlap (a crop or a shifted view, by fitting points)"
        ),
        _field(
            "distance_bits",
            _INT,
            "Hamming distance of the perceptual hashes; 0 if exact, null if overlap",
            nullable=True,
        ),
        _field("points", _INT, "corner points that fit one turn, scale and shift; null unless overlap", nullable=True),
    ]
)

#: A row a thing worth a curator's look (data/04_curation/hints.parquet); it excludes nothing.
HINTS = pa.schema(
    [
        _field("image_id", _TEXT, "the photograph"),
        _field("kind", _TEXT, "outlier (unlike all others) or label (its look-alikes have another category)"),
        _field("instance_id", _TEXT, "the object, if kind is label", nullable=True),
        _field("score", _REAL, "outlier: robust deviations above the median; label: share of look-alikes, in [0, 1]"),
        _field("detail", _TEXT, "one sentence"),
    ]
)

#: A row a photograph in a split (data/04_curation/folds.parquet): leave one partner out by leaving out one fold.
FOLDS = pa.schema(
    [
        _field("image_id", _TEXT, "the photograph"),
        _field("fold", _TEXT, "the partner its whole group comes from; null if the group is of several", nullable=True),
    ]
)

#: A row an admitted photograph: how it measures as a picture (data/04_curation/quality.parquet).
QUALITY = pa.schema(
    [
        _field("image_id", _TEXT, "the photograph"),
        _field("sharpness", _REAL, "variance of the Laplacian of the grey picture, at most 512 pixels long"),
        _field("brightness_frac", _REAL, "mean grey level, 0 black to 1 white"),
        _field("dark_frac", _REAL, "share of nearly black pixels, in [0, 1]"),
        _field("bright_frac", _REAL, "share of nearly white pixels, in [0, 1]"),
        _field("detail_frac", _REAL, "share of blocks of 16 x 16 pixels that hold detail, in [0, 1]"),
        _field(
            "flags",
            pa.list_(_TEXT),
            "what is noticed: blurred, dark, glaring, bare, small, elongated; a hint, excludes nothing",
        ),
    ]
)

#: A row a rendered object: where it stood before the camera, and what one cannot see (data/05_synthesis/poses.parquet).
POSES = pa.schema(
    [
        _field("image_id", _TEXT, "the rendered image"),
        _field("instance_id", _TEXT, "the object's row in instances.parquet"),
        _field("part_id", _TEXT, "the catalogue part, or the kind of card (scale_bar, evidence_tag)"),
        _field(
            "mesh_sha256", _TEXT, "hash of the part's geometry, as the catalogue has it; null for a card", nullable=True
        ),
        _field(
            "object_to_camera", pa.list_(_REAL, 16), "4x4 matrix, row-major, metres; camera x right, y down, z ahead"
        ),
        _field("fx_px", _REAL, "focal length along x, pixels"),
        _field("fy_px", _REAL, "focal length along y, pixels"),
        _field("cx_px", _REAL, "principal point, pixels from the left edge"),
        _field("cy_px", _REAL, "principal point, pixels from the top edge"),
        _field(
            "distortion",
            pa.list_(_REAL, 5),
            "k1, k2, p1, p2, k3 of the lens, as OpenCV orders them; masks, boxes and keypoints have it; null for none",
            nullable=True,
        ),
        _field("visible_px", _INT, "pixels seen"),
        _field(
            "whole_px", _INT, "pixels the object alone would cover in a frame without edges (a frame more on each side)"
        ),
        _field("visible_frac", _REAL, "pixels seen of the pixels the object alone would cover in the frame, in (0, 1]"),
        _field("truncated_frac", _REAL, "share of whole_px outside the frame, in [0, 1)"),
        _field("amodal_rle", _TEXT, "COCO RLE of the pixels in the frame that the object alone would cover"),
        *(
            _field(f"amodal_{name}", _REAL, "edge of the box of whole_px, pixels; may lie outside the frame")
            for name in _EDGES
        ),
        _field(
            "oriented_box",
            pa.list_(_REAL, 8),
            "smallest rectangle of any direction around what is seen: x, y of 4 corners",
        ),
        _field(
            "keypoints",
            pa.list_(pa.struct([*_KEYPOINT, pa.field("visibility", _INT, nullable=False)])),
            "the catalogue's points of the part: visibility 2 seen, 1 hidden, 0 outside the frame; null without any",
            nullable=True,
        ),
    ]
)

#: A row a rendered image: what it takes to make it anew (data/05_synthesis/renders.parquet).
RENDERS = pa.schema(
    [
        _field("image_id", _TEXT, "the rendered image"),
        _field("recipe", _TEXT, "the recipe it is of"),
        _field("number", _INT, "which image of the recipe, from 0"),
        _field("seed", _INT, "draws the scene and the renderer's noise"),
        _field("scene_sha256", _TEXT, "SHA-256 of scenes/<scene_sha256>.json, which says everything about the scene"),
        _field("activity", _TEXT, "version of the stage's code"),
        _field("samples_per_pixel", _INT, "paths traced a pixel"),
        _field("engine", _TEXT, "renderer, its version and variant, and the denoiser's version, as JSON"),
        _field("workbench", _TEXT, "version of the workbench"),
        _field("code_sha256", _TEXT, "hash of its source files"),
        _field("cpu_class", _TEXT, "class of processor the last bits of the pixels depend on"),
        _field("labels_sha256", _TEXT, "hash of masks, boxes, poses and points, which no processor changes"),
        pa.field(
            "assets",
            pa.list_(pa.struct([pa.field(name, _TEXT, nullable=False) for name in ("part_id", "mesh_sha256")])),
            nullable=False,
            metadata={"about": "the geometry in the scene: part and hash, as the catalogue has it"},
        ),
    ]
)


#: A row a picture of an empty surface that somebody added (data/00_backgrounds/backgrounds.parquet).
ADDED_BACKGROUNDS = pa.schema(
    [
        _field("image_id", _TEXT, "SHA-256 of the working copy at path"),
        _field("path", _TEXT, "the working copy, relative to the data folder, with forward slashes"),
        _field("width_px", _INT, "its width"),
        _field("height_px", _INT, "its height"),
        _field("licence", _TEXT, "the licence it may be used under, as stated by whoever added it"),
        _field("source", _TEXT, "where it is from, in the words of whoever added it"),
    ]
)

#: A row a cut-out of the library that pictures are composed of (data/06_composition/cutouts.parquet).
CUTOUTS = pa.schema(
    [
        _field("work_key", _TEXT, "key of the rendering"),
        _field("setting", _INT, "number of its lamps and camera; cut-outs of one setting may stand in one picture"),
        _field("part_id", _TEXT, "the catalogue part"),
        _field("mesh_sha256", _TEXT, "hash of its geometry, as the catalogue has it"),
        _field("category", _TEXT, "taxonomy code"),
        _field("size_px", _INT, "width and height of its pictures"),
        _field("pixels_per_m", _REAL, "pixels a metre at the part"),
        _field("footprint_px", pa.list_(_REAL), "convex outline on the table, x0, y0, x1, y1, ... in pixels"),
        _field("ground_px", pa.list_(_REAL, 2), "where the middle of that outline is seen"),
        _field("box_xyxy", pa.list_(_REAL, 4), "tight box of the part, pixels"),
        _field(
            "object_to_camera", pa.list_(_REAL, 16), "4x4 matrix, row-major, metres; camera x right, y down, z ahead"
        ),
        _field("focal_px", _REAL, "focal length; the principal point is the pictures' middle"),
        _field("object_sha256", _TEXT, "SHA-256 of the part's picture"),
        _field("shadow_sha256", _TEXT, "SHA-256 of the picture of what its shadow leaves of the light"),
    ]
)

#: A row a composed picture: what was put together (data/06_composition/made_of.parquet).
MADE_OF = pa.schema(
    [
        _field("image_id", _TEXT, "the composed picture"),
        _field("source", _TEXT, "photograph (a partner's), added or drawn: where the background is from"),
        _field("background_id", _TEXT, "the photograph's image_id, or the SHA-256 of the picture"),
        _field("cutouts", pa.list_(_TEXT), "work_keys of the cut-outs, the farthest first"),
    ]
)


def write_table(path: Path, schema: pa.Schema, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as Parquet that keeps to a schema; equal rows give equal bytes.

    The file appears whole or not at all, and stays as it is where it holds these rows already. Columns a row lacks
    are null.

    Raises
    ------
    pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, ValueError
        If a value does not fit its column, or a null stands where none may.

    """
    write_columns(path, rows_table(path.name, schema, rows))


def write_columns(path: Path, table: pa.Table) -> None:
    """Write a table made by `rows_table`, or several joined, as `write_table` writes its rows."""
    table = table.combine_chunks()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    pq.write_table(table, part, compression="zstd", use_dictionary=True)
    if path.is_file() and filecmp.cmp(part, path, shallow=False):
        part.unlink()  # an equal table keeps its file, which DVC then need not hash again
    else:
        os.replace(part, path)
    pa.default_memory_pool().release_unused()


def table_bytes(schema: pa.Schema, rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return the bytes that `write_table` writes."""
    buffer = io.BytesIO()
    pq.write_table(rows_table("a table", schema, rows), buffer, compression="zstd", use_dictionary=True)
    return buffer.getvalue()


def rows_table(name: str, schema: pa.Schema, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Return rows as a table that keeps to a schema; ``name`` says of what in an error, the rest is as in `write_table`."""
    listed = list(rows)
    known = set(schema.names)
    for row in listed:
        if not row.keys() <= known:
            msg = f"{name} has no column {', '.join(sorted(set(row) - known))}"
            raise ValueError(msg)
    arrays = [pa.array([row.get(field.name) for row in listed], type=field.type) for field in schema]
    for field, array in zip(schema, arrays, strict=True):
        if not field.nullable and array.null_count:
            msg = f"{name}: column {field.name} holds a null"
            raise ValueError(msg)
    return pa.Table.from_arrays(arrays, schema=schema)


def read_designs(folders: Iterable[Path]) -> dict[tuple[str, str], str]:
    """Return the design that each stand-in was made from, by seizure and object.

    Parameters
    ----------
    folders
        Contributions in data/00_deliveries.

    """
    rows = read_all_rows([path for folder in folders if (path := folder / "items.parquet").is_file()], ITEMS)
    return {(row["seizure_id"], row["item_id"]): row["replica_of"] for row in rows if row["replica_of"]}


def read_columns(path: Path, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a table, or some of its columns, checked against the schema, as Arrow holds it.

    Raises
    ------
    Refused
        ``workspace.input-missing`` if there is no such file, ``tables.schema`` if it is of another shape.

    """
    if not path.is_file():
        raise refused("workspace.input-missing", path, "is not there.", "Run the stage that writes it, or `dvc pull`.")
    try:
        names = pq.read_schema(path).names
        table = pq.read_table(path, columns=[name for name in columns if name in names] if columns else None)
    except (pa.ArrowException, OSError) as error:
        raise refused(
            "tables.schema", path, f"is no readable table ({error}).", "Restore it with `dvc checkout`."
        ) from error
    if names != schema.names:
        raise refused(
            "tables.schema", path, "has other columns than this version expects.", "Rerun the stage that writes it."
        )
    return table.cast(pa.schema([schema.field(name) for name in columns]) if columns else schema)


def read_rows(path: Path, schema: pa.Schema, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return a table's rows as dictionaries, checked against the schema.

    Raises
    ------
    Refused
        ``workspace.input-missing`` if there is no such file, ``tables.schema`` if it is of another shape.

    """
    rows: list[dict[str, Any]] = read_columns(path, schema, columns).to_pylist()
    pa.default_memory_pool().release_unused()  # as much again as the rows, of a large table
    return rows


def table_of(data: bytes, schema: pa.Schema, subject: str) -> pa.Table:
    """Return the table that Parquet bytes hold, in the schema's columns; nullable ones it does not have yet are null.

    So releases of earlier versions are still read. Columns that the schema does not know stay behind the others.

    Raises
    ------
    Refused
        ``tables.schema`` if the bytes are no table of this kind.

    """
    try:
        table = pq.read_table(pa.BufferReader(data))
        for field in schema:
            if field.name not in table.schema.names and field.nullable:
                table = table.append_column(field, pa.nulls(len(table), field.type))
        extra = [name for name in table.schema.names if name not in schema.names]
        known = table.select(schema.names).cast(schema)
    except (pa.ArrowException, KeyError, OSError) as error:
        raise refused(
            "tables.schema", subject, f"is no table of this kind ({error}).", "Fetch it again, or update the workbench."
        ) from error
    for name in extra:
        known = known.append_column(table.schema.field(name), table[name])
    return known


def instance_row(instance: Instance) -> dict[str, Any]:
    """Return the row of `INSTANCES` that says the same as an instance."""
    box = instance.box
    return {
        "instance_id": instance.instance_id,
        "image_id": instance.image_id,
        "category": instance.category,
        "shape": instance.shape.value,
        "x_min": box and float(box.x_min),
        "y_min": box and float(box.y_min),
        "x_max": box and float(box.x_max),
        "y_max": box and float(box.y_max),
        "rings": [[float(v) for v in ring] for ring in instance.rings] or None,
        "mask_rle": instance.mask_rle,
        "keypoints": [{"name": k.name, "x_px": float(k.x_px), "y_px": float(k.y_px)} for k in instance.keypoints]
        or None,
        "facets": canonical_json(dict(instance.facets)),
        "transcription": instance.transcription,
        "confidence": instance.confidence,
        "annotation_id": instance.annotation_id,
        "annotator": instance.annotator,
        "decided_by": instance.decided_by and instance.decided_by.value,
        "agreement_iou": instance.agreement_iou,
        "parent_instance_id": instance.parent_instance_id,
    }


def row_instance(row: Mapping[str, Any]) -> Instance:
    """Return the instance that a row of `INSTANCES` describes; the inverse of `instance_row`."""
    box = None
    if row["x_min"] is not None:
        box = Box(x_min=row["x_min"], y_min=row["y_min"], x_max=row["x_max"], y_max=row["y_max"])
    return Instance(
        instance_id=row["instance_id"],
        image_id=row["image_id"],
        category=row["category"],
        shape=Shape(row["shape"]),
        box=box,
        rings=tuple(tuple(ring) for ring in row["rings"] or ()),
        mask_rle=row["mask_rle"],
        keypoints=tuple(Keypoint(**point) for point in row["keypoints"] or ()),
        facets=json.loads(row["facets"]),
        transcription=row["transcription"],
        confidence=row["confidence"],
        annotation_id=row["annotation_id"],
        annotator=row["annotator"],
        decided_by=row["decided_by"] and DecidedBy(row["decided_by"]),
        agreement_iou=row["agreement_iou"],
        parent_instance_id=row["parent_instance_id"],
    )


def read_all_rows(
    paths: Sequence[Path], schema: pa.Schema, columns: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of several tables one after another, in the order of the paths; with some columns or all."""
    return [row for path in paths for row in read_rows(path, schema, columns)]


def read_stand_ins(intake: Path) -> dict[str, str]:
    """Return for each photograph with covered regions the id of the image that stands for it, from data/01_intake.

    Labels are about the photograph as delivered, whatever has been covered since; pictures are of what stands for it.
    """
    rows = read_all_rows(sorted(intake.glob("*/redactions.parquet")), REDACTIONS)
    return {row["parent_image_id"]: row["image_id"] for row in rows}
