"""What can go wrong, on one page: findings, their stable codes, and the exceptions that carry them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding weighs."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


#: Every code a finding may carry, with what it means. Codes are stable: rename nothing, only add.
CODES: dict[str, str] = {
    "usage.bad-argument": "A command was given something it cannot use.",
    "workspace.missing": "No workspace was found at or above the folder.",
    "workspace.not-empty": "A new workspace was asked for in a folder that holds something.",
    "workspace.params-invalid": "params.yaml lacks a key or holds a value that cannot be used.",
    "workspace.activity-version": "params.yaml asks for another version of an activity than is installed.",
    "workspace.busy": "Another command holds the workspace.",
    "workspace.tool-missing": "A program that the workbench needs is not installed.",
    "workspace.disk-full": "The disk has no room left.",
    "workspace.disk-failed": "The system could not read or write a file, or run a program.",
    "workspace.input-missing": "A stage's input is not there yet.",
    "custody.entry-missing": "The ledger has no such entry.",
    "custody.ledger-altered": "The ledger is not what was entered and signed.",
    "custody.object-missing": "An original is not in the object store.",
    "custody.object-altered": "An original is not the bytes that were received.",
    "custody.key-missing": "The key that unseals a contribution is gone.",
    "custody.receipt-invalid": "A receipt or proof is not what the ledger's key signed.",
    "custody.receipt-own-key": "A receipt was checked with the key it brings itself.",
    "custody.receipt-file-missing": "A file that a receipt lists is not in the folder it was compared with.",
    "custody.receipt-file-differs": "A file has other bytes than the receipt says were received.",
    "custody.original-unknown": "No image with this id leads back to an original.",
    "custody.contribution-unknown": "There is no such contribution.",
    "custody.partner-unknown": "A partner is not registered.",
    "custody.partner-exists": "A partner's id is taken by somebody else.",
    "custody.partner-id": "A partner's id has characters it may not have.",
    "custody.terms-invalid": "A usage term cannot be used as it is written.",
    "custody.terms-wider": "A contribution's usage terms go beyond what its partner agreed to.",
    "custody.terms-fixed": "A contribution's usage terms were set when it was received and do not change.",
    "custody.terms-altered": "A contribution's record states other usage terms than the ledger knows.",
    "custody.held": "A legal hold keeps a contribution from being withdrawn.",
    "custody.withdrawn": "A contribution, or bytes of one, were withdrawn.",
    "custody.withdrawal-pending": "A withdrawal has not reached every place yet.",
    "intake.delivery-missing": "A delivery's path does not exist or cannot be read.",
    "intake.delivery-empty": "A delivery holds no file.",
    "intake.archive-refused": "An archive is encrypted, unsafe, or larger than the caps allow.",
    "intake.bag-invalid": "A BagIt bag does not hold what its manifests say.",
    "intake.link-passed-over": "A link lies in a delivery; only files are received.",
    "intake.seizure-table": "A row or column of a seizure table cannot be used.",
    "intake.seizure-possessor": "A seizure table has a column about a natural person.",
    "intake.table-kept": "A known delivery came with another seizure table than the one on record.",
    "intake.decode-failed": "A file is no image that can be decoded.",
    "intake.format-refused": "A file's format is not among those admitted.",
    "intake.extension-mismatch": "A file's name says another format than its content.",
    "intake.too-large": "An image has more pixels than allowed, or more than its bytes can hold.",
    "intake.truncated": "A file ends before its picture does.",
    "intake.polyglot": "A picture's file is an archive or a document at the same time.",
    "intake.too-long": "A film lasts longer than allowed.",
    "intake.trailing-data": "Bytes follow the end of an admitted picture; its working copy is without them.",
    "intake.more-pictures": "An admitted file holds further pictures: an animation, pages or previews.",
    "intake.film": "An admitted file is a film, of which some frames are taken.",
    "intake.film-damaged": "A film could be decoded in part only.",
    "intake.timeout": "An image took longer to decode than allowed.",
    "intake.no-workers": "The processes that decode pictures could not be started.",
    "intake.resources": "An image took more memory to decode than allowed.",
    "redaction.unreadable-image": "A working copy in which faces were to be looked for cannot be read.",
    "redaction.no-detector": "The network that finds faces is not installed.",
    "redaction.unreviewed": "A photograph has proposed regions that nobody has decided about.",
    "redaction.unsearched": "Faces have not been looked for in a photograph as it is now.",
    "redaction.not-applied": "A photograph has accepted regions that are not covered yet.",
    "redaction.unknown-region": "There is no proposed region of that id.",
    "redaction.outside-image": "A region to be covered lies outside its photograph.",
    "redaction.released": "A release holds a photograph as it was before regions of it were covered.",
    "redaction.kept-elsewhere": "Copies of a photograph as it was before regions were covered may be where this cannot reach.",
    "protocol.invalid": "label_configs/protocol.yaml cannot be used.",
    "protocol.incomplete": "An item lacks photographs that its class needs.",
    "curation.split-conflict": "A group joins photographs that earlier releases put into different splits.",
    "curation.holdout-frozen": "A group that is to be held out was released in another split before.",
    "curation.decisions-altered": "The list of curators' decisions is not what was appended to it.",
    "curation.unknown-image": "A photograph that was named is not among those curated.",
    "curation.class-missing": "A category has no photograph in the validation or test split.",
    "curation.partner-leakage": "Pictures tell far better than chance which partner they come from.",
    "curation.split-empty": "A split has no photograph.",
    "servers.not-running": "A server that a command needs is not running.",
    "demo.step-failed": "A step of the demo did not end well.",
    "demo.delivery-missing": "The delivery named for the demo does not exist.",
    "dvc.failed": "DVC could not do what a command needed.",
    "dvc.no-remote": "The workspace has no remote of that name, or none at all.",
    "dvc.git-failed": "git could not do what a command needed.",
    "release.name-taken": "A release of that name exists; releases are immutable.",
    "augmentation.bad-recipe": "A step of the augmentation recipe names an unknown transform or argument, or loses labels.",
    "augmentation.unreadable-image": "A working copy that was to be augmented cannot be read.",
    "release.bad-name": "A release's name cannot be a git tag and a folder.",
    "release.unchanged": "The newest release holds this very data already.",
    "release.unknown-name": "There is no release of that name.",
    "release.empty": "No labelled photograph is left to release.",
    "release.split-leakage": "A group, seizure or parent image stands in more than one split.",
    "release.synthetic-outside-training": "A rendered or augmented image stands outside the training split.",
    "release.unknown-code": "An instance to be released has a code that the taxonomy does not have.",
    "release.unlabelled-image": "An image without settled labels was to be released.",
    "release.terms-unknown": "Images to be released come from a contribution whose record is not there.",
    "release.terms-forbid": "Images to be released come from a contribution whose terms do not permit the release.",
    "release.terms-unreadable": "A contribution's record states usage terms that cannot be read.",
    "release.as-of-missing": "Usage terms depend on a day, and release.as_of names none.",
    "release.as-of-future": "release.as_of lies in the future.",
    "release.as-of-stale": "Since release.as_of, a contribution's terms have come to forbid the release.",
    "release.unknown-format": "A release was asked for in a format that this version does not write.",
    "release.stray-instance": "An instance belongs to no released image.",
    "release.outside-image": "A shape lies outside its image.",
    "release.duplicate-id": "Two images or instances to be released have the same id.",
    "release.image-altered": "An image file has other bytes than its table says.",
    "release.file-altered": "A file of a release has other bytes than its manifest says.",
    "release.file-missing": "A file that a release's manifest lists is not there.",
    "release.file-extra": "A file lies in a release that its manifest does not list.",
    "release.manifest-missing": "A folder that should be a release has no readable manifest.",
    "release.manifest-altered": "A release's manifest is another than its signed record says.",
    "release.record-invalid": "A release's record cannot be read or is not what its signature covers.",
    "release.signature-invalid": "A release's record was not signed with the key given.",
    "release.proof-invalid": "The ledger does not prove the entry that a release's record names.",
    "release.not-in-ledger": "The workspace's ledger has no entry for a release.",
    "release.bundle-altered": "A bundle's file, or what surrounds the release in it, is damaged or was rewritten.",
    "release.not-reproduced": "A release rebuilt from git and DVC has other bytes than the one that was signed.",
    "release.not-rebuilt": "A stage was taken as it is stored when a release was rebuilt, with the reason.",
    "release.unsigned": "A folder has a manifest but no signed record.",
    "release.superseded": "A release holds withdrawn photographs and must no longer be used.",
    "release.revocations-invalid": "A list of superseded releases cannot be read or was not signed with the key.",
    "release.other-data": "The working folder holds another state of the data than the release asked about.",
    "servers.label-studio-missing": "The Label Studio server is not installed.",
    "servers.mongod-missing": "The database server that FiftyOne needs is not installed.",
    "servers.port-busy": "Another program listens on a port that a server needs.",
    "servers.not-ready": "A server ended while starting, or did not answer in time.",
    "servers.database-away": "A server's database does not answer.",
    "servers.database-invalid": "The address of a database cannot be used.",
    "servers.database-password": "A password stands where other users of the machine can read it.",
    "servers.database-refused": "The database of Label Studio does not let this user in, or is too old.",
    "servers.tasks-elsewhere": "Label Studio's tasks and answers lie in another database than the one named.",
    "servers.keeps-ending": "A server ends again each time it is started.",
    "servers.credentials-damaged": "The file with Label Studio's credentials cannot be read.",
    "tables.schema": "A table is of another shape than this version reads.",
    "taxonomy.unknown-code": "A label's code is not in the taxonomy.",
    "taxonomy.invalid": "label_configs/taxonomy.yaml cannot be read as a taxonomy.",
    "synthesis.mesh-refused": "A CAD file is damaged, hostile, of no known format or of an impossible size.",
    "synthesis.size-doubtful": "A CAD part would be too small or too large for a thing on a table: its unit may be wrong.",
    "synthesis.unit-in-file": "A CAD file says its unit itself, so the one given was not used.",
    "synthesis.mesh-open": "A CAD part's surface has edges where it ends; its masks are exact, holes and all.",
    "synthesis.keypoints-refused": "A file of a part's keypoints cannot be read, or names points far from the part.",
    "synthesis.part-exists": "The catalogue has another part of that name.",
    "synthesis.part-unknown": "The catalogue has no part of that name.",
    "synthesis.catalogue-invalid": "The index of CAD parts cannot be read, or names a part this version does not make.",
    "synthesis.catalogue-empty": "The catalogue holds no part to render.",
    "composition.terms-unreadable": "A contribution's record states usage terms that cannot be read.",
    "composition.no-picture": "A folder of backgrounds holds no picture that can be used.",
    "composition.picture-refused": "A picture that was to be a background cannot be decoded safely.",
    "composition.cutout-unreadable": "A cut-out's picture cannot be read.",
    "synthesis.worker-lost": "The processes that rendered an image ended again and again.",
    "synthesis.image-unknown": "No rendered image has this id.",
    "synthesis.not-reproduced": "An image rendered again has other labels, or other pixels than its file.",
    "synthesis.lens-not-told": "An exported layout has no field for a lens's distortion.",
    "synthesis.shard-damaged": "A picture that a shard brings is not the one its note names.",
    "synthesis.environment-missing": "A recipe draws its room from files of surroundings, and there is none.",
    "workspace.permission-denied": "The system does not let this user read or write a path.",
    "reference.table-invalid": "A row of a packaged reference table breaks a rule of the table.",
    "reference.no-match": "Nothing in the reference table fits what was searched for.",
    "reference.dimension-twin": "Two calibres have the same outer dimensions; only marks tell them apart.",
    "labelling.no-config": "A labelling project's folder or file is missing.",
    "labelling.config-invalid": "A labelling project's config.yaml cannot be used.",
    "labelling.unknown-code": "A labelling project names a code that the taxonomy does not have.",
    "labelling.unknown-language": "The taxonomy has no names in a language.",
    "labelling.unknown-label": "An answer holds a label, control or facet value that the project does not offer.",
    "labelling.contradictory-answer": "An answer contradicts itself, as one that rejects a photograph and labels it.",
    "labelling.unreadable-answer": "An answer holds a shape that cannot be read.",
    "labelling.unknown-photograph": "A task is about a photograph that the workspace does not have.",
    "labelling.outside-media": "An image file lies outside the folder that Label Studio may serve.",
    "labelling.no-server": "It is not known where Label Studio is, or with which token to ask it.",
    "labelling.server-away": "Label Studio does not answer.",
    "labelling.server-refused": "Label Studio did not accept what it was asked.",
    "labelling.no-project": "Label Studio has no such labelling project yet.",
    "labelling.import-unreadable": "A file of existing labels cannot be read in the format named.",
    "labelling.import-unknown-word": "A label's word in existing labels has no taxonomy code in the class map.",
    "labelling.import-unmatched": "Existing labels name a photograph that is not among those admitted.",
    "labelling.import-size": "Existing labels were drawn on an image of another size or orientation.",
    "labelling.import-empty": "Existing labels hold nothing for any photograph of the workspace.",
    "adjudication.own-commands": "The project of the adjudicators is filled and read by commands of its own.",
    "adjudication.unknown-dispute": "A decision is about a disagreement that was never put into the queue.",
    "adjudication.incomplete-decision": "A decision lacks its verdict, its reason, or what it says was corrected.",
    "adjudication.own-answer": "Somebody decided about a disagreement that their own answer is part of.",
    "adjudication.stale-decision": "The answers that a decision is about have changed since.",
    "adjudication.unknown-reference": "A decision cites a guideline or calibre that there is not.",
    "adjudication.unknown-id": "There is no ground-truth object or labelled photograph of that id.",
    "labelling.no-campaign": "There is no such labelling campaign.",
    "labelling.campaign-invalid": "A campaign's file cannot be used as it is written.",
    "labelling.answer-edited": "An answer was changed after it was pulled, or by somebody whose answer it is not.",
    "labelling.answer-deleted": "An answer that was pulled is no longer in Label Studio.",
    "labelling.duplicate-task": "A photograph has more tasks than it should.",
    "labelling.too-few-labellers": "Photographs of a campaign need more labellers than may be given them.",
    "labelling.gold-unusable": "A photograph named as a check cannot serve as one.",
    "labelling.nothing-chosen": "A campaign's query finds no photograph.",
    "labelling.scores-unusable": "A table of scores cannot be read.",
    "labelling.campaign-exists": "A campaign of that name exists; its file is edited, never written over.",
    "labelling.simplified": "A pre-annotation could only be shown as a box, or not at all.",
    "labelling.blind": "Suggestions are named for labellers who must see none.",
    "labelling.model-missing": "A model that is to suggest labels is not there, or is not known.",
    "labelling.model-unreadable": "A model's file, or its file of results, cannot be used.",
    "labelling.model-altered": "A model's file has another SHA-256 than the one named.",
    "labelling.unreadable-photograph": "A working copy that a model should look at cannot be read.",
    "labelling.no-predictions": "There are no suggestions of the model named, or nothing to rank by.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing worth telling: what happened to which subject, and what to do.

    Parameters
    ----------
    code
        A key of `CODES`.
    subject
        The file, row, image or setting concerned.
    message
        One sentence: what happened.
    remedy
        One sentence: what to do about it.
    severity
        Error findings make a command exit with 1.

    Raises
    ------
    ValueError
        If ``code`` is not a key of `CODES`.

    """

    code: str
    subject: str
    message: str
    remedy: str
    severity: Severity = Severity.ERROR

    def __post_init__(self) -> None:
        """Refuse a code that nobody documented."""
        if self.code not in CODES:
            msg = f"finding code {self.code!r} is not documented in workbench.domain.findings.CODES"
            raise ValueError(msg)

    def to_json(self) -> dict[str, str]:
        """Return the finding as a JSON object with string values."""
        return {key: str(value) for key, value in asdict(self).items()}

    def __str__(self) -> str:
        """Return one readable line."""
        return f"{self.subject}: {self.message} {self.remedy} [{self.code}]"


class WorkbenchError(Exception):
    """The root of every error a user is meant to read; carries findings and an exit code."""

    exit_code = 1

    def __init__(self, *findings: Finding) -> None:
        """Carry one or more findings, the first the most telling."""
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = findings


class Refused(WorkbenchError):  # noqa: N818 -- reads as the outcome it is
    """What was asked is refused, or was found wanting (exit code 1)."""


class BadUsage(WorkbenchError):  # noqa: N818 -- reads as the outcome it is
    """The command itself was given wrongly (exit code 2)."""

    exit_code = 2


class Busy(WorkbenchError):  # noqa: N818 -- reads as the outcome it is
    """Something is busy or away for now; trying later may work (exit code 3)."""

    exit_code = 3


def refused(code: str, subject: object, message: str, remedy: str) -> Refused:
    """Return a `Refused` that carries one error finding."""
    return Refused(Finding(code=code, subject=str(subject), message=message, remedy=remedy))


def bad_usage(code: str, subject: object, message: str, remedy: str) -> BadUsage:
    """Return a `BadUsage` that carries one error finding."""
    return BadUsage(Finding(code=code, subject=str(subject), message=message, remedy=remedy))


def busy(code: str, subject: object, message: str, remedy: str) -> Busy:
    """Return a `Busy` that carries one error finding."""
    return Busy(Finding(code=code, subject=str(subject), message=message, remedy=remedy))
